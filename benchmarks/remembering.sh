#!/usr/bin/env bash
# What a network keeps of five classes of Fashion-MNIST once it is trained on the other five: left to
# itself, with elastic weight consolidation, and with replay of its own images.  Writes runs, sample
# grids and a markdown table.
#
# Usage: remembering.sh FOLDER [HALCYON]      (about 15 minutes on 2 cores)
# $OLD and $NEW are the steps of the two trainings; $STRENGTHS are tried of each form in $KINDS.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
folder=$1
halcyon=${2:-$here/../build/release/halcyon}
mkdir -p "$folder"

train() { # NAME STEPS CLASSES KEY VALUE ...
  local name=$1 steps=$2 classes=$3
  shift 3
  [[ -e $folder/$name/checkpoints ]] && return
  "$halcyon" train --config "$here/../configs/fashion_mnist.ini" --run.dir "$folder/$name" \
    --data.classes "$classes" --training.steps "$steps" --run.sample_every 0 --run.fisher_every 0 \
    "$@"
}

# Denoising errors of held-out images of either half, and a grid.
measure() {
  local name=$1 half classes
  for half in old:0,1,2,3,4 new:5,6,7,8,9; do
    classes=${half#*:}
    "$halcyon" fisher --checkpoint "$folder/$name" --data.classes "$classes" --data.split test \
      --only curve --levels 12 --images 512 --seed 1 --out "$folder/$name/${half%:*}" >/dev/null
  done
  "$halcyon" sample --checkpoint "$folder/$name" --sampler.steps 18 --count 64 --seed 1 \
    --out "$folder/$name/drawn" >/dev/null
}

train before "${OLD:-1000}" 0,1,2,3,4
measure before
next=(5,6,7,8,9 --training.init "$folder/before" --optimizer.learning_rate 5e-4)
train alone "${NEW:-500}" "${next[@]}"
names=(before alone)
for kind in ${KINDS:-diagonal ekfac}; do
  curvature=$folder/$kind
  if [[ ! -e $curvature/curvature.safetensors ]]; then
    "$halcyon" fisher --checkpoint "$folder/before" --space parameters --only curvature \
      --data.split train --parameters.curvature "$kind" --parameters.draws 8 --out "$curvature"
  fi
  for strength in ${STRENGTHS:-1 30}; do
    name=$kind-$strength
    train "$name" "${NEW:-500}" "${next[@]}" --ewc.checkpoint "$folder/before" \
      --ewc.curvature "$curvature/curvature.safetensors" --ewc.strength "$strength"
    names+=("$name")
  done
done
train replay "${NEW:-500}" "${next[@]}" --replay.checkpoint "$folder/before"
names+=(replay)
for name in "${names[@]:1}"; do measure "$name"; done
"${PYTHON:-/usr/bin/python3}" "$here/remembering_table.py" "$folder" "${names[@]}"
