#!/bin/sh
# Makes a virtual environment with what the Python tests need, or with what
# other files ask for, and kist built from this tree in it:
#   tools/venv.sh PYTHON DIR [REQUIREMENTS...]
# PYTHON is an interpreter of CPython 3.11 or later.  What DIR has already is
# kept; kist itself is built anew each time.
set -eu
cd "$(dirname "$0")/.."
python=$1
dir=$2
shift 2
[ $# -gt 0 ] || set -- python/tests/requirements.txt

if [ ! -x "$dir/bin/python" ]; then
    "$python" -m venv "$dir"
fi
for wanted; do
    stamp=$dir/$(basename "$wanted" .txt).done
    if ! cmp -s "$wanted" "$stamp"; then
        "$dir/bin/python" -m pip install -q --disable-pip-version-check \
            -r "$wanted"
        cp "$wanted" "$stamp"
    fi
done
exec "$dir/bin/python" -m pip install -q --disable-pip-version-check \
    --no-deps --no-build-isolation --force-reinstall .
