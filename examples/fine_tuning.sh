#!/usr/bin/env bash
# Goes on from the weights of a trained model, on other images.
#
#     fine_tuning.sh [CHECKPOINT] [FOLDER] [RUN]
#
# Without arguments it runs own_folder.sh for a model of clouds, and makes a folder of others.
set -euo pipefail
checkpoint=${1:-runs/own_folder}
folder=${2:-other_clouds}
run=${3:-runs/fine_tuned}

[[ -e $checkpoint ]] || "$(dirname "$0")/own_folder.sh"
if [[ ! -e $folder ]]; then
  halcyon sample --checkpoint toy:stationary --sampler.steps 12 --count 256 --seed 7 --out "$folder"
  rm "$folder/grid.png"
fi

halcyon train --training.init "$checkpoint" --data.path "$folder" --run.dir "$run" \
  --optimizer.learning_rate 5e-5 --training.steps 30 --run.sample_every 0 --run.fisher_every 0
halcyon sample --checkpoint "$run" --sampler.steps 12 --count 16 --out "$run/samples/last"
