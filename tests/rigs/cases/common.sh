# common.sh - what the rig cases share: sourced by them, run with bash.
#
# KIST_BUILD   cmake build directory that has the program kist_work
#              (default: build/dev)
# SOAK=1       long runs
# RIG_SEED_BASE  a number that fixes all seeds; printed with each failure
#
# A case runs rigs one after another with `rig NAME ARGUMENT...`, adds up
# their last lines, and ends with `finish`.

set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
root=$(cd "$here/../.." && pwd)
build=${KIST_BUILD:-$root/build/dev}
work=$(find "$build" -name kist_work -type f -perm -u+x 2>/dev/null |
    head -n 1)
if [ -z "$work" ]; then
    echo "kist_work: not found below $build: build it first"
    echo "0 passed, 1 failed"
    exit 1
fi

scratch=$(mktemp -d "${TMPDIR:-/tmp}/kist-rigs-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM HUP
export RIG_BIN=$scratch/bin
export PYTHONDONTWRITEBYTECODE=1
if ! make -s -C "$here" O="$RIG_BIN" >"$scratch/make.log" 2>&1; then
    cat "$scratch/make.log"
    echo "0 passed, 1 failed"
    exit 1
fi

passed=0
failed=0
seed=${RIG_SEED_BASE:-$(($(date +%s) % 1000000))}

# times QUICK LONG: how often, in a quick run and in a long one.
times() {
    if [ "${SOAK:-0}" = 1 ]; then echo "$2"; else echo "$1"; fi
}

# count LABEL COMMAND...: runs it; its last line must be N passed, M failed.
count() {
    local label=$1 output last
    shift
    output=$("$@" 2>&1)
    last=${output##*$'\n'}
    if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        passed=$((passed + BASH_REMATCH[1]))
        failed=$((failed + BASH_REMATCH[2]))
        printf '%-52s %s\n' "$label" "$last"
        if [ "${BASH_REMATCH[2]}" -gt 0 ]; then
            printf '%s\n' "$output" | grep -E '^FAIL' | head -n 5
            echo "     again: $*"
        fi
    else
        failed=$((failed + 1))
        printf '%-52s did not end well\n' "$label"
        printf '%s\n' "$output" | tail -n 8
        echo "     again: $*"
    fi
}

# rig LABEL NAME ARGUMENT...: a rig with a seed of its own, quietly.
rig() {
    local label=$1 name=$2
    shift 2
    seed=$((seed + 1))
    count "$label" /usr/bin/python3 "$here/$name" -q --seed "$seed" "$@"
}

# need_root LABEL: true if the rig can run; else says that it was left out.
need_root() {
    if [ "$(id -u)" = 0 ] && [ -e /dev/loop-control ]; then return 0; fi
    echo "$1: left out: needs root and loop devices"
    return 1
}

finish() {
    echo "$passed passed, $failed failed"
    [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
    exit
}
