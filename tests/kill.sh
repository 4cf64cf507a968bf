#!/usr/bin/env bash
# Kills the program (SIGKILL) at random moments, and after each looks at what is there.
#
#   tests/kill.sh [TIMES [PROGRAM]]      default: 1000 times, target/release/surprisal; some ten minutes
#
# After a kill: the input or the whole archive is there, no name holds a part of a file, no other name is left behind but that
# of an unfinished folder, which says what it is, and a training goes on from its last checkpoint to the weights of one that was never stopped.
set -euo pipefail
cd "$(dirname "$0")/.."
times=${1:-1000}
program=$(realpath "${2:-target/release/surprisal}")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

fail() {
    echo "kill.sh: $verb, kill $kill after $after s: $*" >&2
    ls -laR work >&2
    cp -r work "${TMPDIR:-/tmp}/surprisal-kill-failed" && exit 1
}

# What whole files hold: the same command gives the same bytes each time.
mkdir right
"$program" corpus --lines 200000 -q -o right/a.txt
"$program" corpus --lines 5000 --digits 3 -q -o right/b.txt
"$program" compress -q right/a.txt
"$program" compress -q --learn=pico --save-model right/model --log right/log.jsonl right/b.txt
train=(train -q --preset pico --digits 2 --steps 200 --eval-every 20 --checkpoint-every 20)
"$program" "${train[@]}" -o right/trained

# whole NAME...: each file is absent or the same as the one in `right`.
whole() {
    local name
    for name in "$@"; do
        [ ! -e "work/$name" ] || cmp -s "work/$name" "right/$name" || fail "$name holds something else"
    done
}

# only NAME...: nothing has another name.
only() {
    local name
    for name in $(ls -A work); do
        [[ " $* " == *" $name "* || -d work/$name && $name == .surprisal-unfinished-*.tmp ]] || fail "$name was left behind"
    done
}

# Each verb: what stands there at first, the command, and what must hold after a kill.
begin_compress() { cp right/a.txt work; }
run_compress() { "$program" compress -q work/a.txt; }
check_compress() { only a.txt a.txt.sur; whole a.txt a.txt.sur; [ -e work/a.txt ] || fail "the input is gone"; }

begin_compress_rm() { cp right/a.txt work; }
run_compress_rm() { "$program" compress -q --rm work/a.txt; }
check_either() { only a.txt a.txt.sur; whole a.txt a.txt.sur; [ -e work/a.txt ] || [ -e work/a.txt.sur ] || fail "both are gone"; }
check_compress_rm() { check_either; }

begin_decompress_rm() { cp right/a.txt.sur work; }
run_decompress_rm() { "$program" decompress -q --rm work/a.txt.sur; }
check_decompress_rm() { check_either; }

begin_learn() { cp right/b.txt work; }
run_learn() { "$program" compress -q --learn=pico --save-model work/model --log work/log.jsonl work/b.txt; }
check_learn() {
    only b.txt b.txt.sur model log.jsonl
    whole b.txt b.txt.sur model/config.json model/model.safetensors
    [ -e work/b.txt ] || fail "the input is gone"
    [ ! -e work/model ] || { [ -e work/model/config.json ] && [ -e work/model/model.safetensors ]; } || fail "the model is not whole"
}

begin_train() { :; }
run_train() { "$program" "${train[@]}" -o work/trained; }
check_train() {
    only trained
    whole trained/config.json
    if [ -e work/trained/training-state.safetensors ]; then
        "$program" train -q --resume work/trained || fail "the run does not go on"
        cmp -s work/trained/model.safetensors right/trained/model.safetensors || fail "the run ends with other weights"
    fi
}

verbs=(compress compress_rm decompress_rm learn train)
for verb in "${verbs[@]}"; do
    # How long it takes when it is not killed.
    mkdir work && "begin_$verb"
    from=$EPOCHREALTIME && "run_$verb" && to=$EPOCHREALTIME
    longest=$((${to/./} - ${from/./})) && rm -r work
    before_end=0
    for ((kill = 1; kill <= times / ${#verbs[@]}; kill++)); do
        mkdir work && "begin_$verb"
        microseconds=$(((RANDOM * 32768 + RANDOM) % (longest + longest / 20)))
        after=$(printf '%d.%06d' $((microseconds / 1000000)) $((microseconds % 1000000)))
        # The function's process becomes the program's, so that the kill meets it.
        (eval "$(declare -f "run_$verb" | sed 's/"$program"/exec &/')"; "run_$verb") 2>/dev/null &
        child=$!
        sleep "$after"
        kill -KILL $child 2>/dev/null && before_end=$((before_end + 1)) || true
        wait $child 2>/dev/null || true
        "check_$verb" && rm -r work
    done
    echo "$verb: $((kill - 1)) kills, $before_end of them before the end; nothing lost, no part left"
done
