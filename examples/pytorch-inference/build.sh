#!/usr/bin/env bash
# Builds this folder's Dockerfile into $FLENSE_CACHE/images/fat.tar (a docker-archive) without a
# container engine. About 3 GB of wheels are downloaded once; the image needs some 25 GB of disk
# while it is built.
set -euo pipefail
exec "$(dirname "${BASH_SOURCE[0]}")/../../scripts/make-image.py" fat "$@"
