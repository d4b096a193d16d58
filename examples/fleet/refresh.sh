#!/bin/bash
# Brings images for single GPUs up to date with their originals; $FLEET names the file that lists them, one a line:
#
#   ORIGINAL                                     TAG                             GPUS       MIRROR, if there is one
#   docker://nvcr.io/nvidia/pytorch:25.01-py3    docker://reg.example/pytorch:1  h100,a100  docker://reg.example/{gpu}
#
#   FLEET=fleet.txt ./refresh.sh        all lines, one after the other
#   FLEET=fleet.txt ./refresh.sh 3      the third
#
# What is fresh costs a few questions. Whatever ends it, the next call goes on: a tag shows the old or the new index, whole.
# Two at a time do the same work twice and write the same bytes. A mirror follows its TAG: one that a line gets later is
# filled when the original moves, or at once by hand (flense slim … --mirror).
set -euo pipefail
: "${FLEET:?a file that lists ORIGINAL TAG GPUS MIRROR}"

refresh() {
  local original=$1 tag=$2 gpus=$3 mirror=$4 status=0
  flense fleet status "$tag" || status=$?
  # 1: something is stale, missing or without an original. Of what could not be asked nothing is touched.
  [ "$status" -eq 1 ] || return "$status"
  # A line that slim would not take must not cost the images that are there.
  flense slim "$original" --variants "$gpus" -t "$tag" ${mirror:+--mirror "$mirror"} --dry-run -q >/dev/null || return
  # What is old goes first: until the new is there, the original is taken. 1: the registry lets nothing go.
  flense fleet prune --stale --yes "$tag" || [ "$?" -eq 1 ] || return
  flense slim "$original" --variants "$gpus" -t "$tag" ${mirror:+--mirror "$mirror"} --tmpdir "${SCRATCH:-/var/tmp}"
}

worst=0 number=0
while read -r original tag gpus mirror rest || [ -n "$original" ]; do
  original=${original%$'\r'} gpus=${gpus%$'\r'} mirror=${mirror%$'\r'} rest=${rest%$'\r'}
  case $original in '' | '#'*) continue ;; esac
  number=$((number + 1))
  [ "${1:-$number}" -eq "$number" ] || continue
  case $mirror in '#'*) mirror='' rest='' ;; esac
  case $rest in '' | '#'*) ;; *) echo "line $number of $FLEET has more than four columns" >&2; worst=2; continue ;; esac
  refresh "$original" "$tag" "$gpus" "$mirror" </dev/null || worst=$?
done <"$FLEET"
[ "${1:-0}" -le "$number" ] || { echo "no line $1 in $FLEET" >&2; exit 2; }
exit "$worst"
