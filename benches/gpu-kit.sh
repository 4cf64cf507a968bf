#!/usr/bin/env bash
# Packs what a machine with an NVIDIA GPU needs to prove and measure this program there: it needs bash and the driver,
# no Rust, no toolkit and no network.
#
#   benches/gpu-kit.sh [FOLDER]                      default: target/gpu-kit
#   CUDA_HOME=/usr/local/cuda benches/gpu-kit.sh     with training on the GPU, too: needs nvcc
#
#   FOLDER/run.sh OUT                                there: four stages, nine minutes in all
#   FOLDER/run.sh OUT --stand-in                     here: the same with the CPU in place of a GPU; no figure means anything
#
# The training program is built in TRAINING_TARGET (default target/gpu-training), apart from the ordinary one, and kept:
# candle's kernels take most of the time. Its quantised ones, which training does not use, are left out
# (benches/gpu-kit/nvcc). docs/gpu.md tells how to get nvcc as Python wheels.
set -euo pipefail
cd "$(dirname "$0")/.."
kit=$(realpath -m "${1:-target/gpu-kit}")
training=$(realpath -m "${TRAINING_TARGET:-target/gpu-training}")
limit_mb=50

# What cargo says it built: the program of a kind (bin, lib, test, bench) and name, stripped, into the kit as another name.
pack() {
    local built=$1 kind=$2 name=$3 program
    program=$(grep "\"kind\":\[\"$kind\"\].*\"name\":\"$name\"" "$built" | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
    strip -o "$kit/$4" "$program"
}
json=--message-format=json-render-diagnostics

# A libcuda with every function of the driver that the program is linked against, all of them empty: for the linker, and
# so that the training program starts where there is no driver.
stub_driver() {
    local functions
    functions=$(nm -u "$training"/release/deps/libcudarc-*.rlib 2>/dev/null | sed -n 's/^ *U \(cu[A-Z][A-Za-z0-9_]*\)$/\1/p' |
        grep -v '^cublas\|^curand\|^cuda' | sort -u)
    sed 's/.*/int &(void) { return 100; } \/\/ no device/' <<<"$functions" |
        cc -shared -x c -Wl,-soname,libcuda.so.1 -o "$kit/stand-in/libcuda.so.1" -
}

pack_training() {
    export CUDA_PATH=$CUDA_HOME CUDA_ROOT=$CUDA_HOME PATH=$CUDA_HOME/bin:$PATH
    export CUDA_COMPUTE_CAP=${CUDA_COMPUTE_CAP:-90} NVCC=$PWD/benches/gpu-kit/nvcc
    # The wheels lack what a linker looks for.
    local library
    [ -e "$CUDA_HOME/lib64" ] || ln -s lib "$CUDA_HOME/lib64"
    for library in "$CUDA_HOME"/lib/lib*.so.[0-9]*; do
        [ -e "${library%%.so.*}.so" ] || ln -s "${library##*/}" "${library%%.so.*}.so"
    done
    export CUDA_HOME
    local started=$SECONDS args=(build -p surprisal --release --features cuda --target-dir "$training")
    cargo "${args[@]}" --lib
    stub_driver
    local linking=$scratch/linking
    mkdir "$linking"
    ln -s "$kit/stand-in/libcuda.so.1" "$linking/libcuda.so"
    LIBRARY_PATH=$linking:$CUDA_HOME/lib cargo "${args[@]}" --bin surprisal $json >"$scratch/training"
    pack "$scratch/training" bin surprisal surprisal-training
    echo "the training program took $((SECONDS - started)) seconds"
}

rm -rf "$kit"
mkdir -p "$kit/stand-in"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# The tests' build has the program, too.
cargo test --release --no-run --lib --test tests $json >"$scratch/tests"
pack "$scratch/tests" bin surprisal surprisal
pack "$scratch/tests" lib surprisal library-tests
pack "$scratch/tests" test tests program-tests
cargo bench -p surprisal-cuda --no-run --bench kernels $json >"$scratch/bench"
pack "$scratch/bench" bench kernels kernels
stand_in=crates/surprisal-cuda/tests/stand_in
c++ -std=c++11 -O2 -ffp-contract=off -U_FORTIFY_SOURCE -w -fPIC -shared -Wl,-soname,libcuda.so -s \
    -Icrates/surprisal-cuda/kernels -I$stand_in -o "$kit/stand-in/libcuda.so" $stand_in/libcuda.cpp
if [ -n "${CUDA_HOME:-}" ]; then
    pack_training
else
    echo "benches/gpu-kit.sh: CUDA_HOME is not set, so the kit does not train" >&2
fi
cp benches/gpu-kit/run.sh "$kit/"
git rev-parse HEAD >"$kit/commit.txt"

for program in surprisal library-tests program-tests kernels surprisal-training; do
    [ ! -e "$kit/$program" ] || echo "$program needs" "$(objdump -T "$kit/$program" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1)"
done
# The program unpacks the others where they run.
for program in library-tests program-tests kernels surprisal-training; do
    [ ! -e "$kit/$program" ] || "$kit/surprisal" compress -q --rm -o "$kit/$program.sur" "$kit/$program"
done
mb=$(du -sm "$kit" | cut -f1)
echo "$kit: $mb MB"
if [ "$mb" -gt $limit_mb ]; then
    echo "benches/gpu-kit.sh: that is more than $limit_mb MB" >&2
    exit 1
fi
