#!/usr/bin/env bash
# Builds this folder's Dockerfile into $FLENSE_CACHE/images/cuda-cpp.tar (a docker-archive) without a container
# engine, or with --one-stage Dockerfile.one-stage into cuda-cpp-one-stage.tar. Some 1.5 GB of wheels are downloaded
# once; the images need some 10 GB of disk while they are built.
set -euo pipefail
image=cuda-cpp
if [[ ${1:-} == --one-stage ]]; then
    image+=-one-stage
    shift
fi
exec "$(dirname "${BASH_SOURCE[0]}")/../../scripts/make-image.py" "$image" "$@"
