#!/bin/sh
# Starts a Slurm of two nodes, `left` and `right`, on this machine alone: everything in one new folder, on the loopback interface, as
# root, without systemd. Needs `slurm-wlm` and `munge`. Prints nothing but faults; sh down.sh FOLDER ends it.
#   sh up.sh FOLDER PORT      then SLURM_CONF=FOLDER/slurm.conf
set -eu
folder=$1 port=$2 host=$(hostname -s)
mkdir -p "$folder/munge"
for node in controller left right; do mkdir -p "$folder/$node"; done

# munged insists on folders and a key of its own user, which it runs as.
head -c 1024 /dev/urandom > "$folder/munge/key"
chmod 600 "$folder/munge/key"
chown -R munge:munge "$folder/munge"
chmod 711 "$folder"
setpriv --reuid=munge --regid=munge --clear-groups munged --key-file="$folder/munge/key" --socket="$folder/munge/socket" \
    --pid-file="$folder/munge/pid" --log-file="$folder/munge/log" --seed-file="$folder/munge/seed"

cat > "$folder/slurm.conf" <<END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
StateSaveLocation=$folder/controller
SlurmctldPidFile=$folder/controller/pid
SlurmctldLogFile=$folder/controller/log
SlurmdSpoolDir=$folder/%n
SlurmdPidFile=$folder/%n/pid
SlurmdLogFile=$folder/%n/log
# Neither cgroups nor an accounting daemon.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=bf_interval=1
# A node that comes back is used again; one that has more or less than it says, too.
ReturnToService=2
SlurmdParameters=config_overrides
NodeName=left NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 1)) CPUs=1 RealMemory=1000
NodeName=right NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + 2)) CPUs=1 RealMemory=1000
PartitionName=all Nodes=ALL Default=YES State=UP
END
export SLURM_CONF="$folder/slurm.conf"
slurmctld
for node in left right; do slurmd -N "$node"; done
tries=0
until [ "$(sinfo --noheader --states=idle --format=%D)" = 2 ]; do
    tries=$((tries + 1))
    [ $tries -lt 100 ] || { sinfo >&2; exit 1; }
    sleep 0.1
done
