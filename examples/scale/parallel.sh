#!/bin/sh
# A run on one machine, or on several that share this folder, by GNU parallel: `sh parallel.sh 16`.
# `--sshlogin` names other machines; a share that fails is tried again twice, and nothing finished is trained again.
set -eu
shards=${1:-16}
share="llm-bandit run ${SCENARIOS:-scenarios/paper} --cells ${CELLS:-cells} --quiet"
seq "$shards" | parallel --retries 3 --jobs "${JOBS:-100%}" ${HOSTS:+--sshlogin "$HOSTS" --workdir .} "$share --shard {}/$shards --threads 1"
$share --gather --out "${OUT:-reports/paper}"
