#!/usr/bin/env bash
# Builds, tests and measures on a machine with a GPU and PyTorch's Python package, in one go.
#
# Usage: gpu.sh DEPS [OUT]
# DEPS: archive of make-gpu-deps.sh.  OUT (default $OUT, else build/gpu-results) gets table.md,
# summary.txt and logs.tar.gz, anew after each part.  Every command has a time limit, and the parts
# after the build are tried whatever became of the one before.
# $PARTS chooses among "build test bench peers" (default: all), $ARCHITECTURE names the GPU's
# (default 90: H100), and $BATCH the images of a step (default 128).
set -uo pipefail
cd "$(dirname "$0")/.." || exit

if (($# < 1 || $# > 2)); then
  echo "usage: $0 DEPS.tar.xz [OUT]" >&2
  exit 2
fi
deps=$1
results=${2:-${OUT:-build/gpu-results}}
parts=${PARTS:-build test bench peers}
architecture=${ARCHITECTURE:-90}
batch=${BATCH:-128}
build=build/gpu
export TORCH_CUDA_ARCH_LIST=${architecture%?}.${architecture: -1}
[[ -x /usr/local/cuda/bin/nvcc ]] && export PATH=/usr/local/cuda/bin:$PATH
out=build/gpu-logs
rm -rf $out
mkdir -p "$out" "$results"
failures=()

say() { echo "$*" | tee -a "$out/summary.txt"; }

# Puts what there is so far into $results: a run that is cut off leaves that.
publish() {
  python3 benchmarks/gpu_table.py "$out" >"$out/table.md" || true
  tar --create --gzip --file "$results/logs.tar.gz" --directory "$out" .
  cp "$out/table.md" "$out/summary.txt" "$results/"
}

# run NAME SECONDS COMMAND...: into $out/NAME.log
run() {
  local name=$1 limit=$2
  shift 2
  local start=$SECONDS code=0
  if [[ $(type -t "$1") == function ]]; then
    "$@" >"$out/$name.log" 2>&1 || code=$?
  else
    timeout "$limit" "$@" >"$out/$name.log" 2>&1 || code=$?
  fi
  say "$name: code $code after $((SECONDS - start)) s"
  if ((code)); then
    failures+=("$name")
    grep --extended-regexp --ignore-case 'error|failed' "$out/$name.log" | head -n 12
    tail -n 5 "$out/$name.log"
  fi
  return "$code"
}

configure() {
  local prefix=/tmp/halcyon-deps torch
  tar --extract --xz --file "$deps" --directory /tmp || return
  torch=$(python3 -c 'import torch; print(torch.utils.cmake_prefix_path)') || return
  cmake -G Ninja -B $build -DCMAKE_BUILD_TYPE=Release -DCMAKE_CUDA_ARCHITECTURES="$architecture" \
    -DHALCYON_CUDA=ON -DCMAKE_PREFIX_PATH="$torch;$prefix" \
    -DBoost_DIR="$(echo $prefix/lib/*/cmake/Boost-1*)" -DOpenCV_DIR=$prefix/lib/cmake/opencv4
}

wants() { [[ " $parts " == *" $1 "* ]]; }

nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv | tee "$out/summary.txt"
if wants build; then
  if ! run configure 120 configure ||
    ! run build 400 cmake --build $build --parallel "$(nproc)" --target halcyon kernels_tests \
      models_tests training_tests data_tests; then
    publish
    exit 1
  fi
  publish
fi

if wants test; then
  for layer in kernels models training data; do
    run "test-$layer" 90 "$build/tests/${layer}_tests" "~[slow]" --use-colour no
  done
  publish
fi

# nets: name, configuration, batch
nets=("cifar10 cifar10_ddpm.ini $batch" "mnist28 fashion_mnist_unet.ini $((2 * batch))")
if wants bench; then
  for net in "${nets[@]}"; do
    read -r name config images <<<"$net"
    for part in step nfe kernels optimizer data; do
      run "ours-$name-$part" 60 $build/halcyon bench --config "configs/$config" --only $part \
        --batch "$images" --repeats 5 --run.device cuda --model.unet.dropout 0 \
        --out "$out/ours-$name-$part.json"
    done
  done
  publish
fi

# peer NET BATCH VARIANT FLAG...
peer() {
  local name=$1 images=$2 variant=$3 part
  shift 3
  for part in step nfe; do
    run "peer-$name-$part-$variant" 100 python3 -B benchmarks/peer_pytorch.py --net "$name" \
      --mode $part --batch "$images" --repeats 5 --device cuda --attention fused --adam fused "$@" \
      --out "$out/peer-$name-$part-$variant.json"
  done
}
if wants peers; then
  for net in "${nets[@]}"; do
    read -r name config images <<<"$net"
    peer "$name" "$images" bf16-compile --precision bf16 --channels-last --compile reduce-overhead
    peer "$name" "$images" bf16-channels-last --precision bf16 --channels-last
    peer "$name" "$images" bf16 --precision bf16
    peer "$name" "$images" fp32 --precision fp32
    publish
  done
fi

publish
cat "$out/table.md"
if ((${#failures[@]} > 0)); then
  echo "failed: ${failures[*]}"
  exit 1
fi
