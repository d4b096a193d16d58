#!/usr/bin/env bash
# Gets NVIDIA's compiler and cuobjdump as PyPI wheels, for tests and benchmarks only; nothing of it
# is part of flense. No GPU and no driver is needed. About 170 MB.
#   scripts/fetch-cuda-tools.sh [DIRECTORY]     default: ${FLENSE_CACHE:-~/.cache/flense}/cuda-tools
set -euo pipefail
directory=${1:-${FLENSE_CACHE:-$HOME/.cache/flense}/cuda-tools}
version='13.2.*'
if [ -x "$directory/nvidia/cu13/bin/nvcc" ] && [ -x "$directory/nvidia/cu13/bin/cuobjdump" ]; then
  echo "$directory: already there"
  exit 0
fi
mkdir -p "$directory"
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
  --no-deps --upgrade --target "$directory" \
  "nvidia-cuda-nvcc==$version" "nvidia-cuda-crt==$version" "nvidia-nvvm==$version" \
  "nvidia-cuda-runtime==$version" "nvidia-cuda-cuobjdump==$version" nvidia-cuda-cccl
"$directory/nvidia/cu13/bin/nvcc" --version | tail -n 1
