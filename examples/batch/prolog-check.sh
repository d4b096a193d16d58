#!/bin/bash
# A Prolog for slurmd (slurm.conf: Prolog=/etc/slurm/prolog.d/*): a job that names its image,
#
#   sbatch --comment=image=/shared/app.sif job.sh
#
# is cancelled on the node when the image cannot run there, before a single task starts, and told why.
# It never fails itself: a Prolog that fails drains the node, and an image is not the node's fault.
#
# The image is read as the job's own user, who is the one who can reach it, and never as root.
#
# slurmd gives a Prolog next to no environment, so what a site sets stands here.
flense=flense         # in the PATH below, or its full path
options=(--host this) # this node, whatever it has; a site may add --allow-unsupported ID
seconds=60            # for reading an image that was never read before
set -uo pipefail
export PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin

image=$(sed -n 's/^\(.*[ ,;]\)\{0,1\}image=\([^ ,;]*\).*/\2/p' <<<"${SLURM_JOB_COMMENT:-}")
[ -n "$image" ] || exit 0

verdict=$(setpriv --reuid="$SLURM_JOB_UID" --regid="$SLURM_JOB_GID" --init-groups --no-new-privs --reset-env -- \
  timeout "$seconds" "$flense" check --no-color "${options[@]}" -- "$image" 2>&1)
status=$?
# 1: a check fails, on a node without a GPU too. All else (unknown, unreadable, timed out) is left to the job.
if [ "$status" -eq 1 ]; then
  reason=$(grep -m1 -E '^ +fail ' <<<"$verdict" | tr -s ' ' | cut -c1-200)
  logger -t flense-prolog "job $SLURM_JOB_ID: $image cannot run on ${SLURMD_NODENAME:-this node}: $reason" 2>/dev/null
  scontrol update JobId="$SLURM_JOB_ID" Comment="flense: $image cannot run on ${SLURMD_NODENAME:-this node}: $reason"
  scancel "$SLURM_JOB_ID"
  # The controller tells slurmd in its own time; a Prolog that ends sooner would let the job begin.
  sleep 3
fi
exit 0
