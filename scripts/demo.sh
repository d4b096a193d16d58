#!/usr/bin/env bash
# Builds a real CUDA image without a container engine, looks into it, slims it for one GPU and runs
# what is left on this machine's CPU.
#
#   scripts/demo.sh [small|pytorch] [GPU]
set -euo pipefail
cd "$(dirname "$0")/.."
flense=${FLENSE_BINARY:-$PWD/build/release/flense}
gpu=${2:-${GPU:-h100}}
cache=${FLENSE_CACHE:-$HOME/.cache/flense}
export FLENSE_CACHE=$cache

case ${1:-small} in
  small)
    name=small
    run=(python3 /opt/search.py query /opt/index.faiss)
    path=/usr/local/bin:/usr/bin:/bin
    ;;
  pytorch)
    name=fat
    run=(python /tmp/workload.py)
    path=/opt/venv/bin:/usr/bin:/bin
    ;;
  *) echo "demo: IMAGE is small or pytorch" >&2; exit 2 ;;
esac

as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo FLENSE_CACHE="$cache")
heading() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

heading "A real CUDA image, built from Debian and PyPI packages without a container engine"
scripts/make-image.py "$name" | grep -E '^make-image|^sha256|^size'
image=$cache/images/$name.tar
work=$(mktemp -d "${TMPDIR:-/tmp}/flense-demo-XXXXXX")
trap '"${as_root[@]}" rm -rf "$work"' EXIT

heading "flense inspect $name.tar --gpu $gpu"
"$flense" inspect "$image" --gpu "$gpu"

heading "flense slim $name.tar --gpu $gpu -o oci:$name-slim"
time "$flense" slim "$image" --gpu "$gpu" -o "oci:$work/$name-slim"

heading "The slim image runs: the same program on the CPU, before and after"
"${as_root[@]}" "$flense" slim "$image" --gpu "$gpu" -o "dir:$work/slim" >/dev/null
"${as_root[@]}" python3 - "$image" "$work/original" <<'PYTHON'
import sys
sys.path.insert(0, "tests/e2e")
import rootfs
rootfs.unpack(sys.argv[1], sys.argv[2])
PYTHON
inside() {
  "${as_root[@]}" bwrap --ro-bind "$1" / --dev /dev --proc /proc --tmpfs /tmp --tmpfs /run --unshare-net --unshare-pid \
    --clearenv --setenv PATH "$path" --setenv HOME /tmp --ro-bind tests/e2e/workload.py /tmp/workload.py "${run[@]}"
}
before=$(inside "$work/original")
after=$(inside "$work/slim")
echo "$after"
if [ "$before" != "$after" ]; then
  echo "demo: the slim image answers differently; the original said:" >&2
  echo "$before" >&2
  exit 1
fi

heading "Before and after"
stored() { du -sb "$1" | cut -f1; }
unpacked() { "${as_root[@]}" du -sb "$1" | cut -f1; }
row() { awk -v n="$1" -v a="$2" -v b="$3" 'BEGIN { printf "%-34s %9.1f MB -> %9.1f MB  (%.0f %%)\n", n, a/1e6, b/1e6, 100*b/a }'; }
row "root directory, unpacked" "$(unpacked "$work/original")" "$(unpacked "$work/slim")"
layers_after=$("$flense" inspect "$work/$name-slim" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["unpacked_bytes"])')
layers_before=$("$flense" inspect "$image" --json | python3 -c 'import json,sys; print(json.load(sys.stdin)["unpacked_bytes"])')
row "all layers, unpacked" "$layers_before" "$layers_after"
row "stored ($name.tar, $name-slim)" "$(stored "$image")" "$(stored "$work/$name-slim")"
echo "The answers of both images are the same."
