#!/bin/sh
# Checks that a built libkist.so exports what kist.map lists, and nothing
# else, and that the inner names that the static library leaves visible all
# carry the ki_ or kist_ prefix.
#   tools/symbols.sh build/release
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$root/build/release}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sed -n 's/^ *\(kist_[a-z0-9_]*\);$/\1/p' "$root/kist.map" | sort >"$work/map"
nm -D --defined-only "$build/libkist.so" |
    awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort >"$work/so"
status=0
if ! diff -u "$work/map" "$work/so" >"$work/diff"; then
    echo "kist.map:1: libkist.so does not export what the map lists:"
    grep '^[-+][^-+]' "$work/diff"
    status=1
fi

nm -g --defined-only "$build/libkist.a" |
    awk 'NF == 3 && $3 !~ /^(ki_|kist_|__(asan|odr_asan|start|stop|gcov))/ \
         { print $3 }' | sort -u >"$work/bare"
if [ -s "$work/bare" ]; then
    echo "libkist.a:1: names without the ki_ or kist_ prefix:"
    cat "$work/bare"
    status=1
fi
exit $status
