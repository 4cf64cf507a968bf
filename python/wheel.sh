#!/usr/bin/env bash
# Builds the wheel into python/dist and says how large it is: python/wheel.sh [MATURIN ARGUMENTS]
#
# One wheel serves every CPython from 3.9 on (abi3). Its platform tag is the oldest manylinux policy that what was built complies with, which
# maturin's audit finds: the glibc of the machine that builds. With `--zig` (ziglang from PyPI) it is manylinux_2_17 whatever the machine:
#
#   python/wheel.sh --zig --compatibility manylinux_2_17
#
# For a free-threaded CPython, which has no abi3, name it: python/wheel.sh --interpreter python3.14t
set -euo pipefail
cd "$(dirname "$0")"
venv=.venv/wheel
[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check "maturin[zig]>=1.9,<2"
# A wheel carries the licences of all that is compiled into it; a build by pip, on the machine that uses it, does not.
trap 'rm -f THIRD-PARTY.txt' EXIT
../dist/notices.sh Cargo.toml >THIRD-PARTY.txt
CARGO_ENCODED_RUSTFLAGS=$(../dist/rustflags.sh)
export CARGO_ENCODED_RUSTFLAGS
PATH=$PWD/$venv/bin:$PATH "$venv/bin/maturin" build --release --out dist "$@"
ls -l dist/*.whl
