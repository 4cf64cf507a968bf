#!/usr/bin/env bash
# Compares surprisal with other compressors on one generated addition corpus, in one run: size, ratio,
# distance to the floor, MB/s each way on one thread, peak memory. Prints a Markdown table.
#
#   benches/peers.sh [LINES] [NAME ...]      default: 1000000 lines, all that are installed
#
# Names: surprisal surprisal-T2 xz zstd bzip2 brotli ppmd zpaq. On Debian:
#   apt-get install xz-utils zstd bzip2 brotli 7zip zpaq time
set -euo pipefail
cd "$(dirname "$0")/.."

lines=${1:-1000000}
shift || true
names=("$@")
[ ${#names[@]} -gt 0 ] || names=(surprisal surprisal-T2 xz zstd bzip2 brotli ppmd zpaq)

cargo build --release --quiet
bin=$PWD/target/release/surprisal
[ -z "${CARGO_TARGET_DIR:-}" ] || bin=$CARGO_TARGET_DIR/release/surprisal
[ -x /usr/bin/time ] || { echo "/usr/bin/time is missing (Debian package: time)" >&2; exit 1; }

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
corpus=$dir/corpus.txt
"$bin" corpus --digits 8 --lines "$lines" --seed 2024 --operands uniform -o "$corpus" --quiet
bytes=$(stat -c %s "$corpus")
floor=$(awk -v n="$lines" 'BEGIN { printf "%.2f", n * 16 * log(10) / log(2) / 8 }')

# Runs a shell command; prints seconds and peak memory in MiB.
timed() {
    local start end
    start=$(date +%s.%N)
    /usr/bin/time -f %M -o "$dir/memory" bash -c "$1" >/dev/null 2>"$dir/errors" || { cat "$dir/errors" >&2; exit 1; }
    end=$(date +%s.%N)
    awk -v a="$start" -v b="$end" -v m="$(tail -n 1 "$dir/memory")" 'BEGIN { printf "%.3f %.0f", b - a, m / 1024 }'
}

# row NAME ARCHIVE COMPRESS DECOMPRESS: commands in which $in, $out and $back are the files.
row() {
    local name=$1 out=$dir/$2 back=$dir/back size c d
    export in=$corpus out back
    rm -f "$out" "$back"
    c=$(timed "$3")
    size=$(stat -c %s "$out")
    d=$(timed "$4")
    cmp -s "$corpus" "$back" || { echo "$name does not give the corpus back" >&2; exit 1; }
    awk -v name="$name" -v size="$size" -v bytes="$bytes" -v floor="$floor" -v c="$c" -v d="$d" 'BEGIN {
        split(c, ct, " "); split(d, dt, " "); memory = ct[2] > dt[2] ? ct[2] : dt[2]
        printf "| %s | %d | %.3f | %+.3f %% | %.2f | %.2f | %d |\n", name, size, bytes / size,
            100 * (size / floor - 1), bytes / ct[1] / 1e6, bytes / dt[1] / 1e6, memory
    }'
}

has() {
    command -v "$1" >/dev/null && return
    echo "$1 is not installed: left out" >&2
    return 1
}

# Debian's packages call it 7z or 7zz.
sevenzip=$(command -v 7z || command -v 7zz || true)
export sevenzip
has_7z() { [ -n "$sevenzip" ] || has 7z; }

echo "$lines uniform lines of 8 digits, $bytes bytes; floor $(printf %.0f "$floor") bytes"
echo
echo "| compressor | bytes | ratio | above the floor | compress, MB/s | decompress, MB/s | peak MiB |"
echo "|---|---|---|---|---|---|---|"
for name in "${names[@]}"; do
    case $name in
    surprisal) row "surprisal -T1" a.sur "'$bin' c -q -T1 \$in -o \$out" "'$bin' d -q -T1 \$out -o \$back" ;;
    surprisal-T2) row "surprisal -T2" b.sur "'$bin' c -q -T2 \$in -o \$out" "'$bin' d -q -T2 \$out -o \$back" ;;
    xz) has xz && row "xz -9e" a.xz 'xz -9e -T1 -c $in >$out' 'xz -dc -T1 $out >$back' ;;
    zstd) has zstd && row "zstd --ultra -22" a.zst 'zstd -q --ultra -22 --single-thread $in -o $out' 'zstd -qd $out -o $back' ;;
    bzip2) has bzip2 && row "bzip2 -9" a.bz2 'bzip2 -9 -c $in >$out' 'bzip2 -dc $out >$back' ;;
    brotli) has brotli && row "brotli -q 11 -w 24" a.br 'brotli -q 11 -w 24 $in -o $out' 'brotli -d $out -o $back' ;;
    ppmd) has_7z && row "7z PPMd -mx9" a.7z '$sevenzip a -bso0 -bsp0 -m0=PPMd -mx9 -mmt1 $out $in' '$sevenzip x -so $out >$back' ;;
    zpaq) has zpaq && row "zpaq -m5" a.zpaq 'cd ${in%/*} && zpaq a $out corpus.txt -m5 -t1' 'zpaq x $out corpus.txt -to $back -t1' ;;
    *) echo "unknown: $name" >&2; exit 2 ;;
    esac || true
done
