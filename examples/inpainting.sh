#!/usr/bin/env bash
# Fills a hole in the middle of images, in four ways each: draws from p(image | what is seen).
#
#     inpainting.sh [CHECKPOINT] [OUT]
#
# Without a checkpoint it is the exact denoiser of toy:stationary, random clouds.  restored.png has a
# column an image: truth, measurement, draws, and their mean and standard deviation.
set -euo pipefail
checkpoint=${1:-toy:stationary}
out=${2:-restored}

halcyon restore --checkpoint "$checkpoint" --task inpaint --inpaint.mask box --method pigdm \
  --noise 0.05 --images 4 --samples 4 --out "$out"
