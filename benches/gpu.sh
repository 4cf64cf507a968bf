#!/usr/bin/env bash
# The exact network on a GPU: bits first, then speed. Needs a machine with an NVIDIA GPU; ends with 1 on any other.
#
#   benches/gpu.sh [LINES ...]            default: 1000000 40000000
#   MODELS="tiny-uniform nano runs/mini" benches/gpu.sh
#   STAND_IN=1 MODELS="tiny-uniform nano" benches/gpu.sh 100
#
# A model is a bundled one's name, a folder, or a preset: then one is trained for this, on lines that are quickly
# learned, since speed depends on the shape of a network and the number of tokens alone. Up to CPU_LINES lines
# (default 1000000) the same is measured on the CPU's cores, and the archives are compared; beyond that the GPU
# decodes what it wrote. STAND_IN=1 compiles the driver whose device is the CPU (tests/cuda/libcuda.cpp): no
# figure means anything then, but everything runs.
#
# Prints tables for docs/gpu.md: megabytes of corpus a second, file to file, and tokens a second of the kernels alone.
set -euo pipefail
cd "$(dirname "$0")/.."
models=${MODELS:-tiny-uniform nano mini}
cpu_lines=${CPU_LINES:-1000000}
sizes=("$@")
[ ${#sizes[@]} -gt 0 ] || sizes=(1000000 40000000)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cargo build --release
program=target/release/surprisal
if [ -n "${STAND_IN:-}" ]; then
    c++ -std=c++11 -O2 -ffp-contract=off -U_FORTIFY_SOURCE -w -fPIC -shared -Itests/cuda -Isrc/network/cuda \
        -o "$scratch/libcuda.so" tests/cuda/libcuda.cpp
    export LD_LIBRARY_PATH=$scratch SURPRISAL_TILES=1 SURPRISAL_LAUNCHES=1
fi
printf '1+1=2\n' >"$scratch/probe"
if ! "$program" compress -q --device cuda -c "$scratch/probe" >/dev/null; then
    echo "benches/gpu.sh: no CUDA device serves here, so nothing was measured" >&2
    exit 1
fi
if [ -z "${STAND_IN:-}" ] && command -v nvidia-smi >/dev/null; then
    nvidia-smi --query-gpu=name,driver_version,pcie.link.gen.max,clocks.max.sm --format=csv,noheader
fi
echo "$(nproc) cores: $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)"

# Bits: the kernels against the definition, the program on the device, and whole archives below.
cargo test --release --lib network::cuda
cargo test --release --test tests device -- --nocapture

# The kernels alone.
cargo test --release --lib network::cuda::speed -- --ignored --nocapture | sed -n '/^kernels alone/p; /^|/p; /^NOT/p'

# 28 bytes a line: at each place one of two symbols, so that zstd finds little and a network learns it at once.
quick_lines() {
    awk -v lines="$1" 'BEGIN {
        srand(7)
        symbols = "0123456789+="
        for (n = 0; n < lines; n++) {
            line = ""
            for (i = 0; i < 27; i++)
                line = line substr(symbols, (rand() < 0.5 ? i * 5 : i * 7 + 3) % 12 + 1, 1)
            print line
        }
    }'
}

# So many lines for a model, in $scratch/lines.txt.
lines_for() {
    local model=$1 lines=$2 chunk
    case $model in
    pico | tiny | nano | micro | mini)
        # Blocks do not see each other: what repeats after a million lines is as good as new.
        chunk=$((lines < 1000000 ? lines : 1000000))
        quick_lines "$chunk" >"$scratch/chunk.txt"
        for ((left = lines; left > 0; left -= chunk)); do
            head -n "$left" "$scratch/chunk.txt"
        done >"$scratch/lines.txt"
        ;;
    *) "$program" corpus --lines "$lines" --seed 7 -q -f -o "$scratch/lines.txt" ;;
    esac
}

# The folder or name of a model; a preset is trained first.
model_of() {
    local model=$1
    case $model in
    pico | tiny | nano | micro | mini)
        if [ ! -d "$scratch/$model" ]; then
            quick_lines 20000 >"$scratch/train.txt"
            "$program" train -q --no-progress -o "$scratch/$model" --preset "$model" --corpus "$scratch/train.txt" \
                --steps "${TRAIN_STEPS:-100}" --batch-lines 32 --lr 2e-3 --warmup 10 --validation-lines 64 --eval-every 1000000
        fi
        echo "$scratch/$model"
        ;;
    *) echo "$model" ;;
    esac
}

# Runs a command and prints its seconds; it must not have left the device.
seconds() {
    local start end
    start=$(date +%s.%N)
    if ! "$@" 2>"$scratch/said"; then
        cat "$scratch/said" >&2
        exit 1
    fi
    end=$(date +%s.%N)
    if grep -q "went on with the CPU" "$scratch/said"; then
        cat "$scratch/said" >&2
        exit 1
    fi
    awk -v a="$start" -v b="$end" 'BEGIN { print b - a }'
}

row() {
    awk -v what="$1" -v bytes="$2" -v seconds="$3" \
        'BEGIN { printf "| %s | %.2f | %.1f |\n", what, seconds, bytes / 1e6 / seconds }'
}

echo "| model, lines, verb, device | seconds | MB/s |"
echo "|---|---|---|"
for model in $models; do
    folder=$(model_of "$model")
    # The driver compiles the kernels when it meets them first.
    "$program" compress -q -m "$folder" --device cuda -c "$scratch/probe" >"$scratch/probe.sur"
    "$program" verify -q -m "$folder" --device cuda "$scratch/probe.sur"
    for lines in "${sizes[@]}"; do
        lines_for "$model" "$lines"
        text=$scratch/lines.txt
        bytes=$(stat -c %s "$text")
        devices=cuda
        [ "$lines" -gt "$cpu_lines" ] || devices="cpu cuda"
        for device in $devices; do
            archive=$scratch/$device.sur
            time=$(seconds "$program" compress -q -f -m "$folder" --device "$device" -o "$archive" "$text")
            row "$model, $lines, compress, $device" "$bytes" "$time"
            rm -f "$scratch/back.txt"
            time=$(seconds "$program" decompress -q -f -m "$folder" --device "$device" -o "$scratch/back.txt" "$archive")
            row "$model, $lines, decompress, $device" "$bytes" "$time"
            cmp "$text" "$scratch/back.txt"
        done
        "$program" list --json -m "$folder" "$scratch/cuda.sur" >"$scratch/list.json"
        if ! grep -q '"raw_blocks":0,"zstd_blocks":0' "$scratch/list.json"; then
            echo "benches/gpu.sh: the model did not code these lines, so its speed was not measured" >&2
            exit 1
        fi
        if [ -f "$scratch/cpu.sur" ]; then
            cmp "$scratch/cpu.sur" "$scratch/cuda.sur"
            # Each decodes the other's: equal archives, and both were decoded above.
            rm "$scratch/cpu.sur"
        fi
    done
done
echo "all archives are equal where both wrote them, and all contents came back"
