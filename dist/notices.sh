#!/usr/bin/env bash
# Prints the licences of all that is linked into a package: dist/notices.sh CARGO_TOML
#
# By cargo-about, which cargo installs where it is missing. What may be depended on is said in deny.toml.
set -euo pipefail
manifest=$(realpath "$1")
cd "$(dirname "$0")"
command -v cargo-about >/dev/null || cargo install --quiet --locked --features cli cargo-about@0.9.3
config=$(mktemp)
trap 'rm -f "$config"' EXIT
{
    sed -n '/^allow = \[/,/^\]/p' ../deny.toml | sed 's/^allow/accepted/'
    cat about.toml
} >"$config"
cargo about generate --locked --offline --config "$config" --manifest-path "$manifest" notices.hbs
