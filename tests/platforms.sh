#!/usr/bin/env bash
# The same bytes on processors that this machine is not, emulated by qemu: the hash of the short self-test, golden
# archives (learning, too), new archives.
#
#   tests/platforms.sh [PROGRAM]      default: target/release/surprisal, whose archives are what the others must write
#
# Needs rustup (which brings the standard library of each target), qemu-user, and the cross compilers gcc-aarch64-linux-gnu
# and gcc-s390x-linux-gnu with their libc (libc6-dev-arm64-cross, libc6-dev-s390x-cross). What is missing is an error.
set -euo pipefail
cd "$(dirname "$0")/.."
built=${CARGO_TARGET_DIR:-target}
native=$(realpath "${1:-$built/release/surprisal}")
hash=$(sed -n 's/^\*\*\([0-9a-f]\{16\}\)\*\* with `--quick`.*/\1/p' docs/platforms.md)
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$folder"' EXIT
for program in rustup qemu-aarch64 qemu-s390x aarch64-linux-gnu-gcc s390x-linux-gnu-gcc; do
    command -v "$program" >/dev/null || { echo "platforms.sh: $program is missing" >&2; exit 1; }
done

# What the program does here.
golden=tests/golden
"$native" corpus --lines 300 -q -o "$folder/lines.txt"
cat README.md >>"$folder/lines.txt"
"$native" compress -q -m tiny-uniform "$folder/lines.txt"
head -n 100 $golden/dates.txt >"$folder/dates.txt"
learn=(compress -q --learn=pico --batch-lines 8 --lr 0.01)
"$native" "${learn[@]}" "$folder/dates.txt"

# build TARGET: the program for it, linked statically: qemu hangs in threads of dynamic programs. It is run for a minute or two, so
# the compiler is spared: the library in one unit, and little optimisation of what is around it.
build() {
    rustup target add "$1"
    RUSTFLAGS="-C target-feature=+crt-static" CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
        cargo build --quiet --release --no-default-features --features cli --bin surprisal --target "$1" \
        --config profile.release.package.surprisal.opt-level=3 --config profile.release.package.surprisal.codegen-units=1
}
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_S390X_UNKNOWN_LINUX_GNU_LINKER=s390x-linux-gnu-gcc

# check ARCH ENDIAN KERNEL COMMAND...: the command is the program on a machine.
check() {
    local machine="$1, $2-endian, $3" head="\"arch\":\"$1\",\"endian\":\"$2\"" seconds=$SECONDS found archive
    export SURPRISAL_ISA=$3
    shift 3
    found=$("$@" selftest --quick --json | sed -n "s/^{$head,\"hash\":\"\([0-9a-f]\{16\}\)\",\"holds\":true,.*\"target\":\"$SURPRISAL_ISA\".*/\1/p") ||
        fail "the self-test failed"
    [ "$found" = "$hash" ] || fail "the self-test's hash is '$found', not $hash"
    seconds="self-test $((SECONDS - seconds)) s"
    "$@" compress -q -c -m tiny-uniform "$folder/lines.txt" | cmp - "$folder/lines.txt.sur" || fail "another archive"
    "$@" "${learn[@]}" -c "$folder/dates.txt" | cmp - "$folder/dates.txt.sur" || fail "another archive with --learn"
    for archive in $golden/{empty,mixed,noise,uniform,dates}.txt.sur; do
        "$@" decompress -q -c "$archive" | cmp - "${archive%.sur}" || fail "$archive is not decoded"
    done
    "$@" decompress -q -c $golden/dates-2.txt.sur | cmp - $golden/dates.txt || fail "dates-2.txt.sur is not decoded"
    echo "$machine: hash $found; $seconds, $SECONDS s in all"
}

# fail WHAT: a difference.
fail() {
    echo "platforms.sh: $machine: $*" >&2
    exit 1
}

# Machines are emulated side by side, and while the next program is built.
checks=()
start() {
    (SECONDS=0; check "$@") &
    checks+=($!)
}

target=s390x-unknown-linux-gnu
build $target
start s390x big portable qemu-s390x "$built/$target/release/surprisal"
target=aarch64-unknown-linux-gnu
build $target
start aarch64 little neon qemu-aarch64 -cpu cortex-a53 "$built/$target/release/surprisal"
start aarch64 little neon-dotprod qemu-aarch64 -cpu max "$built/$target/release/surprisal"
for check in "${checks[@]}"; do
    wait "$check"
done
