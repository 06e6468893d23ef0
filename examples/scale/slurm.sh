#!/bin/sh
# A run on Slurm: `sh slurm.sh 16` submits 16 shares as an array, and the report for when all of them have come through.
# A share whose node fails is queued again. After anything else, submit again: what is finished is not trained again.
set -eu
shards=${1:-16}
scenarios=${SCENARIOS:-scenarios/paper} cells=${CELLS:-cells} out=${OUT:-reports/paper}  # on a file system that all nodes share
share="llm-bandit run $scenarios --cells $cells --quiet"
array=$(sbatch --parsable --requeue --open-mode=append --job-name=shares --array="1-$shards" --cpus-per-task="${CPUS:-1}" \
    --wrap "exec $share --shard \$SLURM_ARRAY_TASK_ID/$shards --threads \$SLURM_CPUS_PER_TASK")
sbatch --job-name=gather --dependency="afterok:$array" --kill-on-invalid-dep=yes --wrap "exec $share --gather --out $out"
