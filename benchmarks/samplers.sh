#!/usr/bin/env bash
# Quality of samples against network evaluations, for every sampler: see `samplers.py --help`.
#
# Usage: samplers.sh --checkpoint RUN --data DATA_PATH [--program HALCYON] [--out DIR] [...]
set -euo pipefail
exec python3 "$(dirname "$0")/samplers.py" "$@"
