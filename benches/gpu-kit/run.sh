#!/usr/bin/env bash
# Proves and measures the program on a machine with an NVIDIA GPU: bits first, then speed, then a training run.
#
#   run.sh OUT [--only STAGE] [--seconds N] [--stand-in]
#
#   bits       90 s   kernels against the definition, archives both ways, compute-sanitizer
#   kernels    60 s   tokens a second of the kernels alone, beside the floor of docs/gpu.md
#   files     180 s   from file to file, on the GPU and on the cores
#   reference 180 s   `train --reference` on the GPU, as far as it goes; 480 s if it is the only stage
#
# A stage that fails or runs out of time leaves the others alone. Figures are written to OUT as they come, into eight
# files at most. --seconds is a limit for each stage that runs. --stand-in takes the CPU for a GPU, with small inputs: everything
# runs, no figure means anything. Needs bash 5, coreutils, cmp and the driver; nvidia-smi, ncu and compute-sanitizer are
# used where they are. MODELS names other models than tiny-uniform and nano-uniform, SCRATCH a folder with room for 5 GB.
# Ends with 1 if anything failed.
set -uo pipefail
export LC_ALL=C
kit=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
usage() {
    sed -n '2,18s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
}

out='' only='' limit='' stand_in=''
while [ $# -gt 0 ]; do
    case $1 in
    --only) only=${2:-} && shift ;;
    --seconds) limit=${2:-} && shift ;;
    --stand-in) stand_in=1 ;;
    -*) usage ;;
    *) out=$1 ;;
    esac
    shift
done
[ -n "$out" ] || usage
case $only in '' | bits | kernels | files | reference) ;; *) usage ;; esac
mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 2

# Where the driver is kept from the loader on some machines, and where CUDA's libraries are.
library_folders() {
    local folder site=''
    command -v python3 >/dev/null && site=$(python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))' 2>/dev/null)
    for folder in /usr/local/nvidia/lib64 /usr/local/cuda*/lib64 /usr/local/cuda*/targets/*/lib "$site"/nvidia/*/lib \
        /opt/*/lib/python*/site-packages/nvidia/*/lib /opt/*/.venv/lib/python*/site-packages/nvidia/*/lib \
        /usr/local/lib/python*/*-packages/nvidia/*/lib; do
        if compgen -G "$folder/libcu*.so*" >/dev/null; then
            printf ':%s' "$folder"
        fi
    done
}
if [ -n "$stand_in" ]; then
    export LD_LIBRARY_PATH=$kit/stand-in
    lines_first=10 lines_bits=70 lines_few=130 lines_many=200 kernel_arguments=(64 1 'tiny, pruned')
    limit=${limit:-3600}
    training_libraries=$kit/stand-in$(library_folders)${TRAINING_LIBRARIES:+:$TRAINING_LIBRARIES}
else
    lines_first=1000 lines_bits=20000 lines_few=1000000 lines_many=40000000 kernel_arguments=(131072 10)
    folders=$(library_folders)
    if [ -e /usr/local/nvidia/lib64/libcuda.so.1 ]; then
        export LD_LIBRARY_PATH=/usr/local/nvidia/lib64${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    fi
    training_libraries=${LD_LIBRARY_PATH:-}$folders
fi
models=${MODELS:-tiny-uniform nano-uniform}
program=$kit/surprisal

# Memory is no bottleneck; a disk may be.
free_kb=$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 { print $4 }' 2>/dev/null)
if [ -z "${SCRATCH:-}" ] && [ "${free_kb:-0}" -gt 6000000 ]; then
    SCRATCH=/dev/shm
fi
scratch=$(mktemp -d "${SCRATCH:-/tmp}/surprisal-kit.XXXXXX") || exit 2
# What is in memory may not be run there.
programs=$(mktemp -d) || exit 2
children=()
trap '[ ${#children[@]} -eq 0 ] || kill "${children[@]}" 2>/dev/null; rm -rf "$scratch" "$programs"' EXIT
for packed in "$kit"/*.sur; do
    unpacked=$programs/$(basename "$packed" .sur)
    "$program" decompress -q -o "$unpacked" "$packed" && chmod +x "$unpacked"
done

failures=0
say() {
    printf '%s\n' "$*" | tee -a "$out/summary.txt"
}
failed() {
    failures=$((failures + 1))
    say "FAILED: $*"
}
left() {
    echo $((deadline - SECONDS))
}

# step NAME COMMAND...: runs a command within the stage's time; its output goes to the stage's log.
step() {
    local name=$1 started=$SECONDS code
    shift
    if [ "$(left)" -le 0 ]; then
        failed "$name: no time was left for it"
        return 1
    fi
    printf '\n== %s\n' "$name" >>"$log"
    timeout -k 5 "$(left)" "$@" >>"$log" 2>&1
    code=$?
    case $code in
    0) say "ok: $name, $((SECONDS - started)) s" ;;
    124 | 137) failed "$name: out of time after $((SECONDS - started)) s" ;;
    *) failed "$name: exit code $code, see ${log##*/}" ;;
    esac
    return $code
}

# tests NAME PROGRAM FILTER: those tests, of which there must be some.
tests() {
    step "$1" env CARGO_BIN_EXE_surprisal="$program" "$2" "$3" --nocapture || return
    grep '^test result' "$log" | tail -n 1 | grep -q ' 0 passed' && failed "$1: there are no such tests"
}

# timed NAME BYTES DEVICE COMMAND...: a row of the table of files: seconds, MB/s, and how many cores were busy, by which
# the coder's work can be told from waiting. On the GPU the CPU must not have helped.
timed() {
    local name=$1 bytes=$2 device=$3 code real user system
    shift 3
    if [ "$(left)" -le 0 ]; then
        say "LEFT OUT: $name: no time was left for it"
        return 1
    fi
    local TIMEFORMAT='%3R %3U %3S'
    { time timeout -k 5 "$(left)" "$@" -v 2>"$scratch/said"; } 2>"$scratch/times"
    code=$?
    {
        printf '\n== %s\n' "$name"
        cat "$scratch/said"
    } >>"$log"
    if [ $code -ne 0 ]; then
        failed "$name: exit code $code (124: out of time), see ${log##*/}"
        return 1
    fi
    if [ "$device" = cuda ] && { grep -q 'went on with the CPU' "$scratch/said" || ! grep -q 'CUDA (' "$scratch/said"; }; then
        failed "$name: the GPU did not do it alone, see ${log##*/}"
        return 1
    fi
    read -r real user system <"$scratch/times"
    real=$((10#${real/./})) user=$((10#${user/./})) system=$((10#${system/./}))
    [ $real -gt 0 ] || real=1
    local rate=$((bytes / real / 100)) cores=$(((user + system) * 10 / real))
    say "| $name | $((real / 1000)).$(printf %03d $((real % 1000))) | $((rate / 10)).$((rate % 10)) | $((cores / 10)).$((cores % 10)) |"
}

# same A B NAME: fails where two files that were made differ.
same() {
    [ ! -e "$1" ] || [ ! -e "$2" ] || cmp "$1" "$2" >>"$log" 2>&1 || failed "$3: the files differ"
}

# Lines for a model, in $scratch/text.
lines_for() {
    local operands=()
    case $1 in
    *-natural) operands=(--operands natural) ;;
    *-leading) operands=(--operands leading) ;;
    esac
    [ "$(left)" -gt 0 ] || return
    timeout "$(left)" "$program" corpus --lines "$2" "${operands[@]}" --seed 7 -q -f -o "$scratch/text" 2>>"$log"
}

bits() {
    tests "the kernels give what the definition gives, every preset" "$programs/library-tests" network::device
    tests "the program on the device" "$programs/program-tests" cli::device
    step "self-test" "$program" selftest
    grep -q 'CUDA' "$log" || failed "self-test: it says nothing of the GPU"
    local model device
    say "| archives of $lines_bits lines, both ways | seconds | MB/s | cores busy |"
    say "|---|---|---|---|"
    for model in $models; do
        lines_for "$model" $lines_bits || continue
        local bytes
        bytes=$(wc -c <"$scratch/text")
        for device in cpu cuda; do
            timed "$model, compress, $device" "$bytes" $device \
                "$program" compress -f -m "$model" --device $device -o "$scratch/$device.sur" "$scratch/text"
        done
        same "$scratch/cpu.sur" "$scratch/cuda.sur" "archives of $model"
        for device in cpu cuda; do
            # Each decodes what the other wrote.
            local other=cpu
            [ $device = cuda ] || other=cuda
            rm -f "$scratch/back"
            [ -e "$scratch/$other.sur" ] || continue
            timed "$model, decompress, $device" "$bytes" $device \
                "$program" decompress -f -m "$model" --device $device -o "$scratch/back" "$scratch/$other.sur"
            same "$scratch/text" "$scratch/back" "contents of $model by $device"
        done
        rm -f "$scratch"/*.sur
    done
    local sanitizer
    sanitizer=$(command -v compute-sanitizer || compgen -G '/usr/local/cuda*/bin/compute-sanitizer' | head -1)
    if [ -z "$sanitizer" ]; then
        say "not run: compute-sanitizer is not here"
        return
    fi
    lines_for tiny-uniform 200
    for tool in memcheck racecheck; do
        step "compute-sanitizer, $tool, compress" "$sanitizer" --tool $tool --error-exitcode 9 \
            "$program" compress -v -f -T1 -m tiny-uniform --device cuda -o "$scratch/s.sur" "$scratch/text"
    done
    step "compute-sanitizer, memcheck, decompress" "$sanitizer" --error-exitcode 9 \
        "$program" decompress -v -f -T1 -m tiny-uniform --device cuda -o "$scratch/back" "$scratch/s.sur"
}

kernels() {
    step "the kernels alone" "$programs/kernels" "${kernel_arguments[@]}"
    sed -n '/^kernels alone/p; /^|/p; /^NOT/p' "$log" | tee -a "$out/summary.txt"
    say "floor for one H100 (docs/gpu.md), tokens/s, both kernels: tiny pruned 2.4e9, nano 1.0e9, micro 1.2e8, mini 3.5e7"
    local ncu
    ncu=$(command -v ncu || compgen -G '/usr/local/cuda*/bin/ncu' | head -1)
    if [ -z "$ncu" ] || [ -n "$stand_in" ]; then
        say "not run: ncu is not here"
        return
    fi
    # What holds them back: a launch with all warps.
    local sections=() section network kind
    for section in SpeedOfLight Occupancy WarpStateStats MemoryWorkloadAnalysis ComputeWorkloadAnalysis InstructionStats; do
        sections+=(--section $section)
    done
    for network in 'tiny, pruned' nano; do
        for kind in known decode; do
            step "ncu, $kind, $network" "$ncu" --clock-control none --kernel-name "regex:_$kind" \
                --launch-skip 1 --launch-count 1 "${sections[@]}" "$programs/kernels" 131072 1 "$network"
        done
    done
}

# file_to_file MODEL LINES DEVICE THREADS
file_to_file() {
    local model=$1 lines=$2 device=$3 threads=$4 bytes
    bytes=$(wc -c <"$scratch/text")
    local name="$model, $lines, %s, $device, -T$threads" archive=$scratch/$device.sur
    local args=(-f -m "$model" --device "$device" -T "$threads")
    # shellcheck disable=SC2059
    timed "$(printf "$name" compress)" "$bytes" "$device" "$program" compress "${args[@]}" -o "$archive" "$scratch/text" || return
    rm -f "$scratch/back"
    # shellcheck disable=SC2059
    timed "$(printf "$name" decompress)" "$bytes" "$device" "$program" decompress "${args[@]}" -o "$scratch/back" "$archive" || return
    same "$scratch/text" "$scratch/back" "contents of $model, $lines lines, $device"
    if [ "$device" = cpu ] && [ -e "$scratch/cuda.sur" ]; then
        same "$scratch/cpu.sur" "$scratch/cuda.sur" "archives of $model, $lines lines"
    fi
}

files() {
    local model
    say "files are in ${scratch%/*}; cores busy: the coder's and the reader's work, the rest is waiting"
    say "| model, lines, verb, device, threads | seconds | MB/s | cores busy |"
    say "|---|---|---|---|"
    for model in $models; do
        # The driver compiles a model's kernels when it meets them first.
        lines_for "$model" $lines_first || continue
        step "$model: the first launch" "$program" compress -q -f -m "$model" --device cuda -o "$scratch/cuda.sur" "$scratch/text"
        step "$model: the first launch of the other kernel" "$program" verify -q -m "$model" --device cuda "$scratch/cuda.sur"
        lines_for "$model" $lines_few || continue
        file_to_file "$model" $lines_few cuda 0
        file_to_file "$model" $lines_few cuda 1
        file_to_file "$model" $lines_few cpu 0
        rm -f "$scratch"/*.sur
    done
    # Models of one kind of operands share their lines, which take long to make.
    local made=''
    for model in $models; do
        if [ "${model#*-}" != "$made" ]; then
            lines_for "$model" $lines_many || continue
            made=${model#*-}
        fi
        file_to_file "$model" $lines_many cuda 0
        # A driver by itself lets eight streams run beside each other; the program asks for 32.
        say "with CUDA_DEVICE_MAX_CONNECTIONS=8:"
        CUDA_DEVICE_MAX_CONNECTIONS=8 file_to_file "$model" $lines_many cuda 0
        rm -f "$scratch"/*.sur
    done
    local started=$EPOCHREALTIME
    cat "$scratch/text" >"$scratch/back"
    say "reading and writing $(wc -c <"$scratch/text") bytes alone: $(((${EPOCHREALTIME/./} - ${started/./}) / 1000)) ms"
    rm -f "$scratch/text" "$scratch/back"
}

keep_reference() {
    local file
    for file in training.jsonl model.safetensors config.json; do
        [ ! -e "$scratch/reference/$file" ] || cp "$scratch/reference/$file" "$out/reference-$file"
    done
}

reference() {
    if [ ! -e "$programs/surprisal-training" ]; then
        failed "reference: the kit was made without the training program"
        return
    fi
    export LD_LIBRARY_PATH=$training_libraries
    ldd "$programs/surprisal-training" >"$log" 2>&1
    if grep 'not found' "$log"; then
        failed "reference: libraries are missing (in $training_libraries)"
        return
    fi
    local args=(train --reference -o "$scratch/reference" --device cuda --no-progress)
    [ -z "$stand_in" ] || args=(train -o "$scratch/reference" --device cpu --preset pico --digits 3 --steps 40 --eval-every 10 --no-progress)
    # Interrupted, it ends after its step, with a checkpoint.
    printf '\n== %s\n' "${args[*]}" >>"$log"
    timeout -s INT -k 20 "$(left)" "$programs/surprisal-training" "${args[@]}" >>"$log" 2>&1 &
    local child=$! code started=$SECONDS
    children+=("$child")
    while kill -0 "$child" 2>/dev/null; do
        sleep 2
        keep_reference
    done
    wait "$child"
    code=$?
    keep_reference
    local records=0
    [ ! -e "$out/reference-training.jsonl" ] || records=$(wc -l <"$out/reference-training.jsonl")
    case $code in
    0) say "ok: reference, ended after $((SECONDS - started)) s" ;;
    124 | 130) say "ok: reference, interrupted after $((SECONDS - started)) s" ;;
    *) failed "reference: exit code $code, see ${log##*/}" ;;
    esac
    say "its log has $records lines; the last: $(tail -n 1 "$out/reference-training.jsonl" 2>/dev/null)"
}

# stage NAME SECONDS: runs it if it is asked for.
stage() {
    local name=$1
    [ -z "$only" ] || [ "$only" = "$name" ] || return 0
    deadline=$((SECONDS + ${limit:-$2}))
    log=$out/$name.txt
    : >"$log"
    say ''
    say "## $name, at most ${limit:-$2} s, from second $SECONDS"
    cd "$scratch" || return
    # How busy the GPU was, at the end of the stage's log.
    local watch=''
    if command -v nvidia-smi >/dev/null && [ -z "$stand_in" ]; then
        nvidia-smi dmon -s pucmt -d 2 >"$scratch/dmon" 2>&1 &
        watch=$!
        children+=("$watch")
    fi
    "$name"
    if [ -n "$watch" ]; then
        kill "$watch" 2>/dev/null
        wait "$watch" 2>/dev/null
        printf '\n== nvidia-smi dmon\n' | cat - "$scratch/dmon" >>"$log"
    fi
    say "$name ended at second $SECONDS"
}

: >"$out/summary.txt"
say "surprisal $(cat "$kit/commit.txt" 2>/dev/null), $(date -u +%FT%TZ)${stand_in:+, THE CPU IN PLACE OF A GPU: NO FIGURE MEANS ANYTHING}"
say "$(uname -sr), $(nproc) cores: $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(sed -n 's/^MemTotal: *//p' /proc/meminfo)"
if [ -z "$stand_in" ] && command -v nvidia-smi >/dev/null; then
    say "$(nvidia-smi --query-gpu=name,driver_version,memory.total,pcie.link.gen.max,pcie.link.width.max,clocks.max.sm --format=csv,noheader)"
fi
# Without a device the tests would take the CPU for one and prove nothing.
if [ "$only" != reference ] && ! problem=$(printf '1+1=2\n' | "$program" compress -q --device cuda -c 2>&1 >/dev/null); then
    failed "no CUDA device serves here: ${problem:-no reason given}"
elif [ "$only" != reference ]; then
    stage bits 90
    stage kernels 60
    stage files 180
fi
reference_seconds=180
[ "$only" != reference ] || reference_seconds=480
stage reference $reference_seconds
say ''
say "$failures failures"
[ $failures -eq 0 ]
