#!/usr/bin/env bash
# Builds the page and the package, and tests them: the page in a headless Chromium, the package in node, both against the
# program of this checkout. Needs what web/build.sh needs, and Debian's chromium, npm and xz-utils.
set -euo pipefail
cd "$(dirname "$0")/.."

for program in chromium npm xz; do
    command -v "$program" >/dev/null || { echo "web/test.sh: $program is missing" >&2; exit 1; }
done
cargo build -q --release
web/build.sh
SURPRISAL="$PWD/target/release/surprisal" node --test --test-concurrency=1 web/test/
