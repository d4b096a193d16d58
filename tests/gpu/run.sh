#!/usr/bin/env bash
# The proofs that need a CUDA device, in one command:
#
#   tests/gpu/run.sh [PYTHON]
#
# PYTHON (default python3) is an interpreter with a CUDA build of PyTorch installed; nothing of that
# installation is changed, copies are slimmed below $TMPDIR (default /var/tmp; 20 GB). Ends with status 77
# and a reason where there is no GPU. From the environment:
#   FLENSE_BINARY   the flense to test (default build/release/flense)
#   JOBS            how many computations run side by side (default 4; each takes 2 GB of the GPU's memory)
#   WORK_SECONDS    how long one of them may take (default 600)
#   EXPERIMENTS     modes of bolder.py to try on more copies: no tests, what flense keeps because nobody has seen
#                   that it may go
#   REGION_SECONDS  how long regions of each tree are loaded (default 120; inf: until all are)
#   PYTORCH_TESTS   paths of PyTorch's own test files (its source tree's test/ folder), run with both copies
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${1:-python3} jobs=${JOBS:-4}
flense=${FLENSE_BINARY:-$here/../../build/release/flense}
skip() { echo "gpu tests skipped: $*"; exit 77; }

[ -x "$flense" ] || { echo "gpu tests: $flense is missing, run make" >&2; exit 1; }
command -v "$python" >/dev/null || skip "no interpreter $python"
gpu=$("$python" "$here/driver.py") || skip "$gpu"
site=$("$python" -c 'import importlib.util as u, os; print(os.path.dirname(os.path.dirname(u.find_spec("torch").origin)))' \
  2>/dev/null) || skip "$python has no torch"
"$python" -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' || skip "torch sees no CUDA device"
echo "GPU: $gpu; PyTorch in $site"

work=$(mktemp -d "${TMPDIR:-/var/tmp}/flense-gpu-XXXXXX")
trap 'rm -rf "$work"' EXIT
status=0
section() { printf '== %s (%d s)\n' "$*" "$SECONDS"; }

# Only what carries device code is copied; the rest of site-packages is found after it on the path.
mkdir "$work/slim" "$work/original"
for name in torch nvidia triton torchgen functorch; do
  if [ -d "$site/$name" ]; then
    cp -a --reflink=auto "$site/$name" "$work/slim/"
    ln -s "$site/$name" "$work/original/$name"
  fi
done
# PyTorch's entry points read its metadata.
for info in "$site"/torch-*.dist-info "$site"/triton-*.dist-info; do [ -d "$info" ] && cp -a "$info" "$work/slim/"; done

size() { du -sb "$work/$1" | cut -f1; }
before=$(size slim)
another() { # NAME FROM OPTIONS…: a copy of FROM that is slimmed with these options
  [ "$1" = "$2" ] || cp -a --reflink=auto "$work/$2" "$work/$1"
  section "$1: ${*:3}"
  "$flense" slim "$work/$1" --gpu "$gpu" "${@:3}" --in-place
  awk -v a="$before" -v b="$(size "$1")" 'BEGIN { printf "%.1f MB to %.1f MB (%.0f %%)\n", a/1e6, b/1e6, 100*b/a }'
}
another slim slim
another aggressive slim --level aggressive
another packed slim --recompress-code size
for mode in ${EXPERIMENTS:-}; do
  section "experiment: $mode"
  cp -a --reflink=auto "$work/slim" "$work/$mode"
  "$python" "$here/bolder.py" "$work/$mode" "$gpu" "$mode"
done

compute() { # TREE LOADING
  local name=$1-$2
  PYTHONPATH=$([ "$1" = original ] && echo "$site" || echo "$work/$1") CUDA_MODULE_LOADING=$2 \
    TORCHINDUCTOR_CACHE_DIR=$work/cache/$name TRITON_CACHE_DIR=$work/cache/$name TORCHINDUCTOR_COMPILE_THREADS=1 \
    CUBLAS_WORKSPACE_CONFIG=:4096:8 CUDA_CACHE_DISABLE=1 PYTHONDONTWRITEBYTECODE=1 \
    timeout "${WORK_SECONDS:-600}" "$python" "$here/compute.py" >"$work/$name.json" 2>"$work/$name.err" ||
    echo "$name: ended with $?" >>"$work/$name.err"
  echo "$name: $SECONDS s"
}
section "computations"
for loading in LAZY EAGER; do
  for tree in original slim aggressive packed ${EXPERIMENTS:-}; do
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
    compute "$tree" "$loading" &
  done
done
wait
agrees() { # TREE LOADING
  section "$1 against the original PyTorch, module loading $2"
  "$python" "$here/compare.py" "$work/original-$2.json" "$work/$1-$2.json" || { tail -n 20 "$work/$1-$2.err"; return 1; }
}
for loading in LAZY EAGER; do
  for tree in slim aggressive packed; do agrees "$tree" "$loading" || status=1; done
  for mode in ${EXPERIMENTS:-}; do
    if agrees "$mode" "$loading"; then echo "experiment: $mode is not noticed"; else echo "experiment: $mode breaks something"; fi
  done
done

for tree in slim packed; do
  section "$tree: kept regions through cuModuleLoadFatBinary"
  "$python" "$here/regions.py" "$site" "$work/$tree" "${REGION_SECONDS:-120}" || status=1
done

for file in ${PYTORCH_TESTS:-}; do
  section "$file"
  for which in original slim; do
    extra=$work/slim
    [ $which = slim ] || extra=$site
    (cd "$(dirname "$file")" && PYTHONPATH=$extra "$python" -m pytest -q -x --no-header "$(basename "$file")" 2>&1 | tail -1 |
      sed 's/ in [0-9.]*s.*//') >"$work/$which.txt" || true
    echo "$which: $(cat "$work/$which.txt")"
  done
  cmp -s "$work/original.txt" "$work/slim.txt" || status=1
done
[ $status -eq 0 ] && echo "gpu tests: all the same" || echo "gpu tests: DIFFERENCES, see above"
exit $status
