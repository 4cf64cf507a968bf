#!/usr/bin/env bash
# Instructions a token of compressing with tiny-uniform on one thread, of each kernel: the difference between two files of
# whole groups, so that the program's start does not count. qemu counts them; a processor's own counters are not needed.
#
#   benches/instructions.sh        for AVX2, portable on x86-64, and NEON with and without dotprod
#
# Needs what tests/platforms.sh needs for aarch64, and cc. qemu-x86_64 must know AVX2 (version 7.2).
set -euo pipefail
cd "$(dirname "$0")/.."
target=aarch64-unknown-linux-gnu
cargo build --release --quiet
rustup target add $target
CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc RUSTFLAGS="-C target-feature=+crt-static" \
    cargo build --quiet --release --no-default-features --features cli --bin surprisal --target $target
built=${CARGO_TARGET_DIR:-target}
native=$built/release/surprisal

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cc -O2 -fPIC -shared -o "$folder/count.so" benches/instructions.c
for lines in 640 1920; do
    "$native" corpus --lines $lines -q -o "$folder/$lines.txt"
    "$native" compress -q -m tiny-uniform "$folder/$lines.txt"
done
tokens=$(($(stat -c %s "$folder/1920.txt") - $(stat -c %s "$folder/640.txt")))

# count KERNEL EMULATOR... PROGRAM: a row of the table. The archive must be the right one.
count() {
    local kernel=$1 lines counts=()
    shift
    for lines in 640 1920; do
        SURPRISAL_ISA=$kernel QEMU_PLUGIN="$folder/count.so" QEMU_LOG=plugin QEMU_LOG_FILENAME="$folder/count" \
            "$@" compress -q -c -T1 -m tiny-uniform "$folder/$lines.txt" | cmp - "$folder/$lines.txt.sur"
        counts+=("$(cat "$folder/count")")
    done
    local a_token=$(((counts[1] - counts[0]) / tokens))
    : "${first:=$a_token}"
    awk -v k="$kernel" -v a="$a_token" -v f="$first" 'BEGIN { printf "| %s | %d | %.2f |\n", k, a, a / f }'
}

echo "| kernel | instructions a token | against AVX2 |"
echo "|---|---|---|"
count avx2 qemu-x86_64 -cpu max "$native"
count portable qemu-x86_64 -cpu max "$native"
count neon qemu-aarch64 -cpu cortex-a53 "$built/$target/release/surprisal"
count neon-dotprod qemu-aarch64 -cpu max "$built/$target/release/surprisal"
