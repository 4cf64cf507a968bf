#!/usr/bin/env bash
# The exact network on a GPU: bits first, then speed. Needs a machine with an NVIDIA GPU; ends with 1 on any other.
#
#   benches/gpu.sh [LINES ...]            default: 1000000 40000000
#   MODELS="tiny-uniform runs/nano runs/mini" benches/gpu.sh
#
# Prints a table for docs/gpu.md: megabytes of corpus a second, file to file, of compress on the CPU's cores and on the
# GPU. decompress runs on the CPU.
set -euo pipefail
cd "$(dirname "$0")/.."
models=${MODELS:-tiny-uniform}
sizes=("$@")
[ ${#sizes[@]} -gt 0 ] || sizes=(1000000 40000000)

if ! nvidia-smi --query-gpu=name,driver_version,pcie.link.gen.max,clocks.max.sm --format=csv,noheader; then
    echo "benches/gpu.sh: there is no NVIDIA GPU here, so nothing was measured" >&2
    exit 1
fi
cargo build --release
program=target/release/surprisal
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
printf '1+1=2\n' >"$scratch/probe"
"$program" compress -q --device cuda -c "$scratch/probe" >/dev/null # fails where the device does not serve

# Bits: the kernels on the CPU, the program on the device, then whole archives below.
cargo test --release --lib exact::cuda
cargo test --release --test device -- --nocapture

seconds() {
    local start end
    start=$(date +%s.%N)
    "$@"
    end=$(date +%s.%N)
    echo "$end - $start" | bc
}

echo "| model | lines | device | MB/s | |"
echo "|---|---|---|---|---|"
for lines in "${sizes[@]}"; do
    "$program" corpus --lines "$lines" --seed 7 -q -o "$scratch/sums.txt" -f
    bytes=$(stat -c %s "$scratch/sums.txt")
    for model in $models; do
        for device in cpu cuda; do
            # Twice: the first reads the file into the page cache and loads the kernels.
            for _ in 1 2; do
                time=$(seconds "$program" compress -q -f -m "$model" --device "$device" -o "$scratch/$device.sur" "$scratch/sums.txt" 2>"$scratch/said")
            done
            if grep -q "went on with the CPU" "$scratch/said"; then
                cat "$scratch/said" >&2
                exit 1
            fi
            echo "| $model | $lines | compress, $device | $(echo "scale=1; $bytes / 1000000 / $time" | bc) | |"
        done
        cmp "$scratch/cpu.sur" "$scratch/cuda.sur"
        time=$(seconds "$program" verify -q -m "$model" --against "$scratch/sums.txt" "$scratch/cuda.sur")
        echo "| $model | $lines | verify, cpu | $(echo "scale=1; $bytes / 1000000 / $time" | bc) | the archives are equal |"
    done
done
