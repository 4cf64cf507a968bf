#!/usr/bin/env bash
# Builds the package, installs it into a virtual environment and tests it there: python/test.sh [PYTEST ARGUMENTS]
#
#   PYTHON=python3.13 python/test.sh      with another Python, 3.9 or later
#
# The environment is python/.venv, made once for each Python. Needs Rust, a C++ compiler and Python with venv. The package is built with the
# feature gpu: on a machine without a GPU a driver stands in whose device is the CPU.
set -euo pipefail
cd "$(dirname "$0")"
python=${PYTHON:-python3}
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
venv=.venv/$version
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
export PATH=$PWD/$venv/bin:$PATH
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: -r tests/requirements.txt
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-build-isolation --force-reinstall --no-deps \
    --config-settings build-args=--features=gpu .
exec "$venv/bin/pytest" -q --doctest-modules --pyargs surprisal_codec tests "$@"
