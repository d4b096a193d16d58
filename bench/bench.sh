#!/usr/bin/env bash
# Measures flense against the tools that people use for parts of the job; prints ratios, writes JSON.
#
#   bench/bench.sh [--runs N] [--only NAME[,NAME]] [--json FILE] [--image clean|small]
#
# Uses the images of scripts/make-image.py (built when missing) and, for dive, a wheel from PyPI.
set -euo pipefail
exec python3 -u "$(dirname "${BASH_SOURCE[0]}")/bench.py" "$@"
