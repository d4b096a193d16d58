#!/usr/bin/env bash
# `flense cdi` and `flense run` on a machine with an NVIDIA GPU, in one command:
#
#   tests/gpu/launch.sh [PYTHON] [RUNS]
#
# PYTHON (default python3) is an interpreter with a CUDA build of PyTorch. The container's root is this
# machine's own, read-only, so that the same interpreter and the same libraries run on bare metal and in
# the container, and what differs is the launch alone; for that it is bound to a place without what is
# mounted below it, which only root may do. RUNS (default 10) pairs are interleaved.
# FLENSE_BINARY names the flense to test; crun is needed on PATH, or in CRUN_DIRECTORY.
# Ends with 77 and a reason where there is no GPU, with 1 where a step fails or a ratio is too low.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${1:-python3} runs=${2:-10}
flense=${FLENSE_BINARY:-$here/../../build/release/flense}
skip() { echo "gpu launch skipped: $*"; exit 77; }

PATH=${CRUN_DIRECTORY:+$CRUN_DIRECTORY:}$PATH
[ -x "$flense" ] || { echo "gpu launch: $flense is missing, run make" >&2; exit 1; }
command -v crun >/dev/null || skip "no crun on PATH"
command -v "$python" >/dev/null || skip "no interpreter $python"
gpu=$("$python" "$here/driver.py") || skip "$gpu"
"$python" -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' || skip "torch sees no CUDA device"

[ "$(id -u)" = 0 ] || skip "only root may bind the root file system"

work=$(mktemp -d "${TMPDIR:-/var/tmp}/flense-launch-XXXXXX")
# Not below what is removed: where the bind stays, so does everything.
root=$(mktemp -d "${TMPDIR:-/var/tmp}/flense-root-XXXXXX")
trap '{ ! mountpoint -q "$root" || umount "$root"; } && rmdir "$root"; rm -rf "$work"' EXIT
mount --bind / "$root"
export XDG_CACHE_HOME=$work/cache
status=0

echo "== flense cdi generate, validate, diff ($gpu)"
"$flense" cdi generate -o "$work/nvidia.json"
"$flense" cdi validate "$work/nvidia.json" || status=1
"$flense" cdi diff "$work/nvidia.json" || status=1

run=("$flense" run --gpus all)
echo "== nvidia-smi in the container"
"${run[@]}" "$root" nvidia-smi -L | tee "$work/inside" || status=1
nvidia-smi -L | cmp - "$work/inside" || { echo "the container sees other GPUs than the machine"; status=1; }

echo "== doctor in the container"
"${run[@]}" -v "$(realpath "$flense"):/mnt/flense:ro" "$root" /mnt/flense doctor || status=1

interpreter=$("$python" -c 'import sys; print(sys.executable)')
echo "== torch in the container"
"${run[@]}" "$root" "$interpreter" -c '
import torch
print(torch.cuda.get_device_name(0), torch.ones(1000, device="cuda").sum().item())' || status=1
"$flense" run --gpus none "$root" "$interpreter" -c 'import torch; raise SystemExit(torch.cuda.is_available())' ||
  { echo "a container without GPUs sees one"; status=1; }

echo "== bare metal against the container, $runs pairs"
"$python" "$here/launch_compare.py" "$runs" "$work/data" "$interpreter" "$root" "${run[@]}" -v "$work/data:/mnt:ro" || status=1
exit $status
