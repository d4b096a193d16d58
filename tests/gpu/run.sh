#!/usr/bin/env bash
# The proofs that need a CUDA device, in one command:
#
#   tests/gpu/run.sh [PYTHON]
#
# PYTHON (default python3) is an interpreter with a CUDA build of PyTorch installed; nothing of that
# installation is changed, copies are slimmed below $TMPDIR (default /var/tmp; 20 GB). Ends with status 77
# and a reason where there is no GPU. From the environment:
#   FLENSE_BINARY     the flense to test (default build/release/flense)
#   PARTS             computations (every kind of work that PyTorch does), operators (PyTorch's own samples for each
#                     operator and data type; needs the package expecttest) and regions (what is kept, one by one through
#                     the driver); default all
#   LOADING           default "LAZY EAGER"
#   JOBS              how many processes compute side by side (default 4; each takes 2 GB of the GPU's memory)
#   WORK_SECONDS      how long one computation may take (default 600)
#   OPERATOR_SECONDS  how long one process goes through operators (default inf)
#   REGION_SECONDS    how long regions of each tree are loaded (default 120; inf: until all are)
#   EXPERIMENTS       modes of bolder.py to try on more copies: no tests, what flense keeps because nobody has seen
#                     that it may go
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${1:-python3} jobs=${JOBS:-4} loadings=${LOADING:-LAZY EAGER}
flense=${FLENSE_BINARY:-$here/../../build/release/flense}
skip() { echo "gpu tests skipped: $*"; exit 77; }

[ -x "$flense" ] || { echo "gpu tests: $flense is missing, run make" >&2; exit 1; }
command -v "$python" >/dev/null || skip "no interpreter $python"
gpu=$("$python" "$here/driver.py") || skip "$gpu"
site=$("$python" -c 'import importlib.util as u, os; print(os.path.dirname(os.path.dirname(u.find_spec("torch").origin)))' \
  2>/dev/null) || skip "$python has no torch"
"$python" -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' || skip "torch sees no CUDA device"
wants() { [[ " ${PARTS:-computations operators regions} " == *" $1 "* ]]; }
! wants operators || "$python" -c 'import expecttest' || skip "PyTorch's samples need expecttest: pip install it, or name other PARTS"
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
# Most of it is one processor's work: the others compute meanwhile.
{ another packed slim --recompress-code size && touch "$work/packed.done"; } >"$work/packed.txt" 2>&1 &
another aggressive slim --level aggressive
for mode in ${EXPERIMENTS:-}; do
  section "experiment: $mode"
  cp -a --reflink=auto "$work/slim" "$work/$mode"
  "$python" "$here/bolder.py" "$work/$mode" "$gpu" "$mode"
done

mkdir "$work/errors"
compute() { # NAME TREE LOADING SCRIPT…: what the script says of a tree's PyTorch goes to NAME
  local name=$1 tree=$2 errors=$work/errors/${1//\//-}
  PYTHONPATH=$([ "$tree" = original ] && echo "$site" || echo "$work/$tree"):${PYTHONPATH:-} CUDA_MODULE_LOADING=$3 \
    TORCHINDUCTOR_CACHE_DIR=$work/cache/$name TRITON_CACHE_DIR=$work/cache/$name TORCHINDUCTOR_COMPILE_THREADS=1 \
    CUBLAS_WORKSPACE_CONFIG=:4096:8 CUDA_CACHE_DISABLE=1 PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1 \
    timeout "${WORK_SECONDS:-600}" "$python" -W ignore "${@:4}" >"$work/$name" 2>"$errors" ||
    echo "ended with $?" >>"$errors"
}
room() { while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n || true; done; }
parts=$((jobs < 8 ? 2 : jobs / 4))
run() { # TREE…
  local tree loading part own=()
  for tree; do
    mkdir "$work/$tree-results" "$work/$tree-operators"
    for loading in $(wants computations && echo "$loadings"); do
      room
      compute "$tree-results/$loading" "$tree" "$loading" "$here/compute.py" &
      own+=($!)
    done
    for part in $(wants operators && seq 0 $((parts - 1))); do
      room
      compute "$tree-operators/$part" "$tree" LAZY "$here/operators.py" "$part" $parts "${OPERATOR_SECONDS:-inf}" &
      own+=($!)
    done
  done
  wait "${own[@]}" 2>/dev/null || true # those that room() has seen end are forgotten
}
agrees() { # TREE WHAT: a file or a folder of what compute.py or operators.py say
  section "$1 against the original PyTorch, $2"
  "$python" "$here/compare.py" "$work/original-$2" "$work/$1-$2" || { tail -n 5 "$work/errors/$1-${2//\//-}"*; return 1; }
}
judge() { # TREE
  local what bad=0
  for what in $(wants computations && printf 'results/%s ' $loadings) $(wants operators && echo operators); do
    agrees "$1" "$what" || bad=1
  done
  return $bad
}
regions() { # TREE
  wants regions || return 0
  section "$1: kept regions through cuModuleLoadFatBinary"
  "$python" "$here/regions.py" "$site" "$work/$1" "${REGION_SECONDS:-120}"
}

section "computations"
run original slim aggressive ${EXPERIMENTS:-}
for tree in slim aggressive; do judge $tree || status=1; done
for mode in ${EXPERIMENTS:-}; do
  if judge "$mode"; then echo "experiment: $mode is not noticed"; else echo "experiment: $mode breaks something"; fi
done
regions slim || status=1
wait
cat "$work/packed.txt"
[ -e "$work/packed.done" ] || status=1
run packed
judge packed || status=1
regions packed || status=1
[ $status -eq 0 ] && echo "gpu tests: all the same" || echo "gpu tests: DIFFERENCES, see above"
exit $status
