#!/usr/bin/env bash
# From a bare Debian machine to trained model, samples and Fisher table, on Fashion-MNIST.
# Usage: quickstart.sh [run-directory]      (about 20 minutes on 2 cores)
set -euo pipefail
cd "$(dirname "$0")/.."
run=${1:-runs/quickstart}
halcyon=build/release/halcyon

step() { printf '\n== %s\n' "$*"; }

step "Installing what is missing"
scripts/install-deps.sh

step "Building (about 15 minutes the first time)"
cmake --preset release -DBUILD_TESTING=OFF
cmake --build --preset release --target halcyon --parallel "$(nproc)"

step "Training on 60000 garments (2 to 5 minutes)"
if [[ -e $run/config.ini ]]; then
  $halcyon train --resume --run.dir "$run"
else
  $halcyon train --config configs/fashion_mnist.ini --run.dir "$run"
fi

step "Sampling with DDPM"
$halcyon sample --checkpoint "$run" --sampler.name ddpm --sampler.steps 250 --count 64 --seed 1 \
  --out "$run/samples/ddpm"

step "Sampling with annealed Langevin dynamics"
$halcyon sample --checkpoint "$run" --sampler.name langevin --sampler.steps 100 \
  --sampler.langevin.steps_per_level 8 --sampler.sigma_min 0.02 --sampler.sigma_max 10 \
  --count 64 --seed 1 --out "$run/samples/langevin"

step "Measuring the Fisher information of the data score, per noise level"
$halcyon fisher --checkpoint "$run" --levels 16 --images 512 --only curve,maps,likelihood \
  --out "$run/fisher"
$halcyon report "$run"

cat <<EOF

Done.  Look at
  $run/samples/ddpm/grid.png            garments drawn by DDPM
  $run/samples/langevin/grid.png        garments drawn by annealed Langevin dynamics
  $run/report.html                      all of it on one page
  $run/fisher/denoising.png             what the network makes of noise
  $run/fisher/fisher_information.png    the Fisher information over noise levels
  $run/fisher/fisher_levels.csv         its numbers, with standard errors
  $run/plots/loss.png                   how training went
EOF
