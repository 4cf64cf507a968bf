#!/usr/bin/env bash
# Makes ../ptx/NAME.ptx.zst of each preset from kernels.cu, and lets ptxas assemble it for the processors that it is
# meant for:
#
#   python3 -m venv /tmp/nvcc
#   /tmp/nvcc/bin/pip install 'nvidia-cuda-nvcc<13.1' 'nvidia-cuda-crt<13.1' 'nvidia-nvvm<13.1' \
#       'nvidia-cuda-runtime<13.1' 'nvidia-cuda-cccl<13.1'
#   CUDA_HOME=$(echo /tmp/nvcc/lib/python*/site-packages/nvidia/cu13) crates/surprisal-cuda/kernels/build.sh
#
# The first line of a PTX is the BLAKE3 of all sources, one after another: a test compares it. Needs zstd, and b3sum or
# python3 with blake3 (PYTHON names another).
set -euo pipefail
cd "$(dirname "$0")"
bin=${CUDA_HOME:?set CUDA_HOME to the toolkit}/bin
sources=(arithmetic.cuh model.cuh rows.cuh attention.cuh layers.cuh decoder.cuh kernels.cu)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

if command -v b3sum >/dev/null; then
    hash=$(cat "${sources[@]}" | b3sum --no-names)
else
    hash=$(cat "${sources[@]}" | "${PYTHON:-python3}" -c 'import blake3, sys; print(blake3.blake3(sys.stdin.buffer.read()).hexdigest())')
fi
for name in pico tiny nano micro mini; do
    "$bin/nvcc" -ptx -O3 -fmad=false -prec-div=true -prec-sqrt=true -ftz=false -arch=compute_80 "-D${name^^}" \
        -diag-suppress=128 -o "$scratch/nvcc.ptx" kernels.cu
    # Lowered to PTX 7.0, the first for compute capability 8.0, so that drivers from 2020 on take it: nothing in it is
    # newer but a hint about unused bytes of loads.
    {
        echo "// BLAKE3 of the sources: $hash"
        sed 's/^\.version .*/.version 7.0/; /\.pragma "used_bytes_mask/d' "$scratch/nvcc.ptx"
    } >"$scratch/$name.ptx"
    zstd -q -f --ultra -22 "$scratch/$name.ptx" -o "../ptx/$name.ptx.zst"
    for arch in sm_80 sm_90; do
        "$bin/ptxas" -v -arch=$arch "$scratch/$name.ptx" -o "$scratch/cubin" 2>&1 | sed -n "s/.*Compiling entry function '\(.*\)' for.*/\1 $arch:/p; s/^ *\([0-9]* bytes stack.*\)/    \1/p; s/^ptxas info *: *\(Used.*\)/    \1/p; /error/p"
    done
done
