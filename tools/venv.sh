#!/bin/sh
# Makes a virtual environment with what the Python tests need, or with what
# another file asks for, and kist built from this tree in it:
#   tools/venv.sh PYTHON DIR [REQUIREMENTS]
# PYTHON is an interpreter of CPython 3.11 or later.  What DIR has already is
# kept; kist itself is built anew each time.
set -eu
cd "$(dirname "$0")/.."
python=$1
dir=$2
wanted=${3:-python/tests/requirements.txt}

if [ ! -x "$dir/bin/python" ]; then
    "$python" -m venv "$dir"
fi
stamp=$dir/requirements.done
if ! cmp -s "$wanted" "$stamp"; then
    "$dir/bin/python" -m pip install -q --disable-pip-version-check \
        -r "$wanted"
    cp "$wanted" "$stamp"
fi
exec "$dir/bin/python" -m pip install -q --disable-pip-version-check \
    --no-deps --no-build-isolation --force-reinstall .
