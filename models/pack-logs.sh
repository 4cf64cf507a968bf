#!/usr/bin/env bash
# Packs the training logs of all models into training-logs.zst, which is what the program brings: models/pack-logs.sh
#
# Of each model its name, its log and an empty line. Needs zstd. A test compares what is packed with the logs.
set -euo pipefail
cd "$(dirname "$0")"
for log in */training.jsonl; do
    dirname "$log"
    cat "$log"
    echo
done | zstd --quiet --force --ultra -22 -o training-logs.zst
