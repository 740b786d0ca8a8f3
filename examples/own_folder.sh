#!/usr/bin/env bash
# Trains on a folder of your own images, and draws from the model.
#
#     own_folder.sh [FOLDER] [RUN]
#
# Without a folder it makes one, of 256 pictures of clouds.  This network and these 100 steps are a
# matter of seconds; for pictures that please begin with configs/fashion_mnist_unet.ini and give it
# data.path, data.size and time.
set -euo pipefail
folder=${1:-clouds}
run=${2:-runs/own_folder}

if [[ ! -e $folder ]]; then
  halcyon sample --checkpoint toy:stationary --sampler.steps 12 --count 256 --out "$folder"
  rm "$folder/grid.png"  # which is no image of the set
fi
halcyon inspect "$folder"

halcyon train --data.path "$folder" --data.size 16 --run.dir "$run" \
  --model.unet.channels 16 --model.unet.channel_mult 1,2 --model.unet.blocks 1 \
  --model.unet.norm_groups 8 --ema.halflife_images 1000 \
  --training.steps 100 --training.batch 32 --run.sample_every 0 --run.fisher_every 0

halcyon sample --checkpoint "$run" --sampler.steps 12 --count 16 --out "$run/samples/last"
