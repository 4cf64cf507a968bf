#!/usr/bin/env bash
# Makes docs/report/: the report of the default model on a million uniform lines, its page and its
# figures, and puts the closing sentences into docs/report/README.md and README.md.
#
#   benches/gallery.sh [LINES]               default: 1000000; the other compressors take minutes
set -euo pipefail
cd "$(dirname "$0")/.."

lines=${1:-1000000}
cargo build --release --quiet
bin=${CARGO_TARGET_DIR:-$PWD/target}/release/surprisal
gallery=$PWD/docs/report
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

"$bin" corpus --digits 8 --operands uniform --lines "$lines" --seed 2024 -o "$dir/uniform.txt" --quiet
(cd "$dir" && "$bin" report uniform.txt --force --html "$gallery/index.html" --svg "$gallery" >report.txt)
cp "$dir/report.txt" "$gallery/report.txt"

# The sentences are the report's last line.
tail -n 1 "$dir/report.txt" | fold -s -w 110 | sed 's/ *$//' >"$dir/claim"
for file in README.md docs/report/README.md; do
    awk -v claim="$dir/claim" '
        /<!-- claim -->/ { print; while ((getline line < claim) > 0) print line; skip = 1; next }
        /<!-- \/claim -->/ { skip = 0 }
        !skip { print }
    ' "$file" >"$dir/file"
    cat "$dir/file" >"$file"
done
cat "$dir/claim"
