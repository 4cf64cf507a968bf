#!/usr/bin/env bash
# Builds the page and the package from the same two modules, WebAssembly with SIMD and with its relaxed variant:
#   web/target/surprisal.html   one file, to be opened in a browser
#   web/target/npm/             the package, to be packed by npm
# It needs Rust with `rustup target add wasm32-unknown-unknown`, clang with a WebAssembly target and llvm-ar for zstd's
# C (Debian: clang-19 llvm-19), and node 20 or newer.
set -euo pipefail
cd "$(dirname "$0")"

fail() {
    echo "web/build.sh: $1" >&2
    exit 1
}
first() {
    for program; do command -v "$program" >/dev/null && echo "$program" && return; done
    return 1
}
command -v node >/dev/null || fail "node is missing: https://nodejs.org, or apt-get install nodejs"
[[ -d "$(rustc --print sysroot)/lib/rustlib/wasm32-unknown-unknown" ]] ||
    fail "Rust has no library for WebAssembly: rustup target add wasm32-unknown-unknown"
CC_wasm32_unknown_unknown=${CC_wasm32_unknown_unknown:-$(first clang-19 clang-18 clang-17 clang)} ||
    fail "clang is missing: apt-get install clang-19"
AR_wasm32_unknown_unknown=${AR_wasm32_unknown_unknown:-$(first llvm-ar-19 llvm-ar-18 llvm-ar-17 llvm-ar)} ||
    fail "llvm-ar is missing: apt-get install llvm-19"
export CC_wasm32_unknown_unknown AR_wasm32_unknown_unknown

cargo build -q -p surprisal-bindgen
# module NAME FEATURES: each has its own folder, so that neither is compiled anew for the other.
module() {
    CARGO_ENCODED_RUSTFLAGS=$(../dist/rustflags.sh "-Ctarget-feature=$2" --cfg 'surprisal_models="given"') \
        cargo build -q --release --lib --target wasm32-unknown-unknown --target-dir "target/$1"
    for kind in page package; do
        target/debug/surprisal-bindgen "target/$1/wasm32-unknown-unknown/release/surprisal_web.wasm" "target/$1/$kind" "$kind"
    done
}
module simd128 +simd128 &
module relaxed-simd +simd128,+relaxed-simd
wait $!
node build/page.mjs
node build/package.mjs
