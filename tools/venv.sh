#!/bin/sh
# Makes a virtual environment with what the Python tests need, and kist built
# from this tree in it:
#   tools/venv.sh PYTHON DIR
# PYTHON is an interpreter of CPython 3.11 or later.  What DIR has already is
# kept; kist itself is built anew each time.
set -eu
cd "$(dirname "$0")/.."
python=$1
dir=$2

if [ ! -x "$dir/bin/python" ]; then
    "$python" -m venv "$dir"
fi
stamp=$dir/requirements.done
if ! cmp -s python/tests/requirements.txt "$stamp"; then
    "$dir/bin/python" -m pip install -q --disable-pip-version-check \
        -r python/tests/requirements.txt
    cp python/tests/requirements.txt "$stamp"
fi
exec "$dir/bin/python" -m pip install -q --disable-pip-version-check \
    --no-deps --no-build-isolation --force-reinstall .
