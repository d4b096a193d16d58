#!/usr/bin/env bash
# The proofs that need a CUDA device, in one command:
#
#   tests/gpu/run.sh [PYTHON]
#
# PYTHON (default python3) is an interpreter with a CUDA build of PyTorch installed; nothing of that
# installation is changed, a copy is slimmed. Ends with status 77 and a reason where there is no GPU.
# FLENSE_BINARY names the flense to test (default build/release/flense). PYTORCH_TESTS may hold paths
# of PyTorch's own test files (its source tree's test/ folder), run with both copies.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=${1:-python3}
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
before=$(du -sb "$work/slim" | cut -f1)
"$flense" slim "$work/slim" --gpu "$gpu" --in-place
after=$(du -sb "$work/slim" | cut -f1)
awk -v a="$before" -v b="$after" 'BEGIN { printf "slimmed %.1f MB to %.1f MB (%.0f %%)\n", a/1e6, b/1e6, 100*b/a }'

status=0
echo "== every kept region through cuModuleLoadFatBinary"
"$python" "$here/regions.py" "$site" "$work/slim" || status=1

echo "== the same with what is kept compressed anew"
cp -a --reflink=auto "$work/slim" "$work/packed"
"$flense" slim "$work/packed" --gpu "$gpu" --recompress-code size --in-place
"$python" "$here/regions.py" "$site" "$work/packed" || status=1
PYTHONPATH=$site CUBLAS_WORKSPACE_CONFIG=:4096:8 CUDA_CACHE_DISABLE=1 "$python" "$here/compute.py" >"$work/original.json"
PYTHONPATH=$work/packed CUBLAS_WORKSPACE_CONFIG=:4096:8 CUDA_CACHE_DISABLE=1 "$python" "$here/compute.py" >"$work/packed.json"
"$python" "$here/compare.py" "$work/original.json" "$work/packed.json" || status=1
rm -r "$work/packed"

# An experiment, no test: what flense keeps because nobody has seen that it may go.
for mode in payload stub; do
  echo "== experiment: code of other architectures that no wrapper registers, $mode"
  cp -a --reflink=auto "$work/slim" "$work/bold"
  "$python" "$here/unregistered.py" "$work/bold" "$gpu" "$mode"
  if PYTHONPATH=$work/bold CUBLAS_WORKSPACE_CONFIG=:4096:8 CUDA_CACHE_DISABLE=1 "$python" "$here/compute.py" >"$work/bold.json" &&
    "$python" "$here/compare.py" "$work/original.json" "$work/bold.json"; then
    echo "experiment: $mode is not noticed"
  else
    echo "experiment: $mode breaks something"
  fi
  rm -r "$work/bold"
done

for loading in LAZY EAGER; do
  echo "== the same computations with the original and the slim PyTorch, module loading $loading"
  for which in original slim; do
    extra=$work/slim
    [ $which = slim ] || extra=$site
    CUDA_MODULE_LOADING=$loading PYTHONPATH=$extra TORCHINDUCTOR_CACHE_DIR=$work/inductor-$which-$loading \
      TRITON_CACHE_DIR=$work/triton-$which-$loading CUBLAS_WORKSPACE_CONFIG=:4096:8 CUDA_CACHE_DISABLE=1 \
      "$python" "$here/compute.py" >"$work/$which-$loading.json"
  done
  "$python" "$here/compare.py" "$work/original-$loading.json" "$work/slim-$loading.json" || status=1
done

for file in ${PYTORCH_TESTS:-}; do
  echo "== $file"
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
