#!/usr/bin/env bash
# Builds the consumer against the tree installed in PREFIX and runs it.
# Usage: test.sh PREFIX BUILD_FOLDER
set -euo pipefail
source_folder=$(cd "$(dirname "$0")/../consumer" && pwd)
prefix=$1
build=$2
halcyon=$prefix/bin/halcyon
rm -rf "$build"

expect() {  # TEXT COMMAND...: the command prints TEXT
  local text=$1 output
  shift
  output=$("$@" 2>&1) || true
  [[ $output == *"$text"* ]] || { printf 'want "%s" from %s, got:\n%s\n' "$text" "$*" "$output"; exit 1; }
}

cmake -S "$source_folder" -B "$build" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" \
  -DCMAKE_BUILD_TYPE=Release
cmake --build "$build"
cd "$build"

# The library draws what the program draws, to the last bit.
"$halcyon" train --data.path toy:mixture --model.name mlp --training.steps 30 \
  --run.dir run --run.sample_every 0 --run.fisher_every 0
./sample run library.png
"$halcyon" sample --checkpoint run --sampler.name heun --sampler.steps 18 --count 16 --batch 16 \
  --seed 1 --precision fp32 --out program
cmp library.png program/grid.png
expect "cannot read nowhere" ./sample nowhere library.png

expect "toy:mixture" examples/fisher_of_a_toy
expect "16 images by kutta3" examples/custom_sampler run custom.png
