#!/usr/bin/env bash
# Builds the page and the package, and tests them: the page in a headless Chromium, the package in node, both against the
# program.
#
#   web/test.sh [PROGRAM]      default: target/release/surprisal (cargo build --release)
#
# Needs what web/build.sh needs, and Debian's chromium, npm and xz-utils.
set -euo pipefail
cd "$(dirname "$0")/.."
program=$(realpath "${1:-target/release/surprisal}")
[ -x "$program" ] || { echo "web/test.sh: there is no $program: cargo build --release" >&2; exit 1; }

for tool in chromium npm xz; do
    command -v "$tool" >/dev/null || { echo "web/test.sh: $tool is missing" >&2; exit 1; }
done
web/build.sh
SURPRISAL="$program" node --test --test-concurrency=1 web/test/
