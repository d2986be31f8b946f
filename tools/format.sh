#!/bin/sh
# Formats every C file of ours in place; with --check, only lists those that
# are not formatted, and fails if there are any.  clang-format 14 decides:
# other versions differ in details.
set -eu
cd "$(dirname "$0")/.."
tool=$(command -v clang-format-14 || command -v clang-format)
mode=-i
if [ "${1:-}" = --check ]; then
    mode="--dry-run --Werror"
fi
# shellcheck disable=SC2086
find include src cli examples tests bench demo python -name '*.[ch]' \
    ! -path 'tests/rigs/src/*' ! -path 'tests/rigs/selftest/*' \
    ! -path 'tests/style/*' -print0 2>/dev/null |
    xargs -0 -r "$tool" $mode
