#!/bin/sh
# Makes the virtual environment $1 and puts uv $2 into it. Says what to do where Debian's Python lacks venv.
set -eu
venv=$1 uv=$2 python=${PYTHON:-python3}

if ! "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null; then
    echo "Python 3.11 or 3.12 is needed, but '$python' is $("$python" --version 2>&1 || echo absent). Name another one: make PYTHON=/path/to/python3.11" >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "Debian's Python comes without venv; installing the package python3-venv ..."
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y python3-venv >/dev/null
    else
        echo "Debian's Python comes without venv. Install it once, then call make again:  sudo apt-get install python3-venv" >&2
        exit 1
    fi
fi
[ -x "$venv/bin/python" ] || { echo "Making the virtual environment $venv ..."; "$python" -m venv "$venv"; }
[ -x "$venv/bin/uv" ] || "$venv/bin/python" -m pip install -q --disable-pip-version-check "uv==$uv"
