#!/usr/bin/env bash
# Prints, for CARGO_ENCODED_RUSTFLAGS, the given compiler flags and those that keep the builder's folders out of what is given away:
# a panic names its file as it is called below the project or below cargo's folder. dist/rustflags.sh [FLAG...]
set -euo pipefail
project=$(realpath "$(dirname "$0")/..")
flags=("$@" "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src/=" "--remap-path-prefix=$project/=")
printf '%s' "${flags[0]}"
printf '\x1f%s' "${flags[@]:1}"
