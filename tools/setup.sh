#!/bin/sh
# Installs the Debian packages that are missing for what is to be done:
#   tools/setup.sh [build] [test] [demo] [bench] [python]
# Does nothing, and needs no network and no root, where all are there.
set -eu

build="gcc make cmake ninja-build pkg-config libc6-dev libxxhash-dev libjansson-dev"
test="python3 git strace clang libclang-rt-14-dev llvm clang-format libcmocka-dev libfuse3-dev fuse3 e2fsprogs xfsprogs procps util-linux"
python="python3 python3-dev python3-venv libpython3.11-testsuite"
demo="python3 python3-dev python3-venv libsqlite3-dev liblmdb-dev"
bench="python3 python3-dev python3-venv python3-matplotlib liblmdb-dev librocksdb-dev libsqlite3-dev libtkrzw-dev libgdbm-dev"

wanted=
for purpose in "${@:-build}"; do
    case $purpose in
    build) wanted="$wanted $build" ;;
    test) wanted="$wanted $test" ;;
    python) wanted="$wanted $python" ;;
    demo) wanted="$wanted $demo" ;;
    bench) wanted="$wanted $bench" ;;
    *)
        echo "setup.sh: no such purpose: $purpose" >&2
        exit 2
        ;;
    esac
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "setup.sh: not a Debian system; kist needs what these packages hold:" \
        "$wanted" >&2
    exit 0
fi

missing=
for package in $wanted; do
    # shellcheck disable=SC2016
    if ! dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null |
        grep -q '^install ok installed$'; then
        missing="$missing $package"
    fi
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "setup.sh: please have these installed:$missing" >&2
        exit 1
    fi
    as_root=sudo
fi
echo "setup.sh: installing$missing" >&2
$as_root apt-get update -q >&2
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -q --no-install-recommends $missing >&2
