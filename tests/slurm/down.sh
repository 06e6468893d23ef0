#!/bin/sh
# Ends what up.sh started in a folder, by the process ids that are written there.
set -u
export SLURM_CONF="$1/slurm.conf"
scancel --user=root 2> /dev/null
for name in left right controller munge; do
    kill "$(cat "$1/$name/pid" 2> /dev/null)" 2> /dev/null
done
tries=0
while [ $tries -lt 50 ]; do
    alive=0
    for name in left right controller munge; do
        kill -0 "$(cat "$1/$name/pid" 2> /dev/null)" 2> /dev/null && alive=1
    done
    [ $alive = 1 ] || exit 0
    tries=$((tries + 1))
    sleep 0.1
done
