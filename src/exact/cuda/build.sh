#!/usr/bin/env bash
# Makes kernels.ptx from kernels.cu, and lets ptxas assemble it for the processors that it is meant for:
#
#   python3 -m venv /tmp/nvcc
#   /tmp/nvcc/bin/pip install 'nvidia-cuda-nvcc<13.1' 'nvidia-cuda-crt<13.1' 'nvidia-nvvm<13.1' \
#       'nvidia-cuda-runtime<13.1' 'nvidia-cuda-cccl<13.1'
#   CUDA_HOME=$(echo /tmp/nvcc/lib/python*/site-packages/nvidia/cu13) src/exact/cuda/build.sh
#
# The first line of the PTX is the BLAKE3 of the source: a test compares it. Needs b3sum, or python3 with blake3.
set -euo pipefail
cd "$(dirname "$0")"
bin=${CUDA_HOME:?set CUDA_HOME to the toolkit}/bin
ptx=$(mktemp)
trap 'rm -f "$ptx"' EXIT

"$bin/nvcc" -ptx -O3 -fmad=false -prec-div=true -prec-sqrt=true -ftz=false -arch=compute_80 \
    -diag-suppress=128 -o "$ptx" kernels.cu
for arch in sm_80 sm_90; do
    "$bin/ptxas" -v -arch=$arch "$ptx" -o /dev/null 2>&1 | sed -n "s/.*Compiling entry function '\(.*\)' for.*/\1 $arch:/p; s/^ *\([0-9]* bytes stack.*\)/    \1/p; s/^ptxas info *: *\(Used.*\)/    \1/p"
done
if command -v b3sum >/dev/null; then
    hash=$(b3sum --no-names kernels.cu)
else
    hash=$(python3 -c 'import blake3; print(blake3.blake3(open("kernels.cu", "rb").read()).hexdigest())')
fi
{ echo "// BLAKE3 of kernels.cu: $hash"; cat "$ptx"; } >kernels.ptx
