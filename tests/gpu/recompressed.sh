#!/usr/bin/env bash
# Whether the driver takes device code that flense has compressed anew, in one command:
#
#   tests/gpu/recompressed.sh LIBRARY…
#
# Each library is slimmed for the GPU of this machine with --recompress-code balance and size; then
# every region that a wrapper registers is loaded by cuModuleLoadFatBinary, as it was and as it is now,
# and must give the same status. Needs a driver of CUDA 12.4 or newer and Python; no PyTorch, no
# toolkit. Libraries of CUDA 11 and 12 are the ones to name: theirs is raw or LZ4. Ends with status 77
# and a reason where there is no GPU. FLENSE_BINARY names the flense (default build/release/flense).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
flense=${FLENSE_BINARY:-$here/../../build/release/flense}
[ $# -gt 0 ] || { echo "usage: recompressed.sh LIBRARY…" >&2; exit 2; }
[ -x "$flense" ] || { echo "gpu tests: $flense is missing, run make" >&2; exit 1; }
gpu=$(python3 "$here/driver.py") || { echo "gpu tests skipped: $gpu"; exit 77; }
echo "GPU: $gpu"

work=$(mktemp -d "${TMPDIR:-/var/tmp}/flense-gpu-XXXXXX")
trap 'rm -rf "$work"' EXIT
status=0
for mode in balance size; do
  mkdir "$work/original-$mode" "$work/$mode"
  for library in "$@"; do
    name=$(basename "$library")
    # Read whole by regions.py: a copy, since links are passed over.
    cp --reflink=auto "$(realpath "$library")" "$work/original-$mode/$name"
    "$flense" slim "$library" --gpu "$gpu" --recompress-code "$mode" -o "$work/$mode/$name" --provenance none -q
  done
  echo "== $mode: every registered region through cuModuleLoadFatBinary"
  python3 "$here/regions.py" "$work/original-$mode" "$work/$mode" || status=1
done
[ $status -eq 0 ] && echo "gpu tests: all the same" || echo "gpu tests: DIFFERENCES, see above"
exit $status
