#!/usr/bin/env bash
# Holds this build against plain PyTorch on the same networks (without dropout) and cores, and
# writes a markdown table.
#
# Usage: compare.sh [HALCYON [ROUNDS]] [-- KEY VALUE ...]
# HALCYON is the program (default build/release/halcyon); keys after -- go to `halcyon bench`.  The
# peers need Debian's python3-torch.  Every round runs all of them in turn, each in a process of its
# own; the table has medians over rounds.  $NETS chooses among "cifar10 mnist28", and $PYTHON names
# another interpreter.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
program=$here/../build/release/halcyon
rounds=3
if (($# > 0)) && [[ $1 != -- ]]; then program=$1 && shift; fi
if (($# > 0)) && [[ $1 != -- ]]; then rounds=$1 && shift; fi
if (($# > 0)); then shift; fi
python=${PYTHON:-/usr/bin/python3}
repeats=3

nets=${NETS:-cifar10 mnist28}

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

# ours NET CONFIG BATCH ROUND [KEY VALUE ...]
ours() {
  local net=$1 config=$2 batch=$3 round=$4
  shift 4
  local part
  for part in step nfe; do
    "$program" bench --config "$here/../configs/$config" --batch "$batch" --only $part \
      --repeats $repeats --model.unet.dropout 0 \
      --out "$results/ours-$net-$part-$round.json" "$@" >/dev/null
  done
}

# peer NET BATCH ROUND VARIANT [FLAG ...]: a variant that this PyTorch does not have leaves nothing
peer() {
  local net=$1 batch=$2 round=$3 variant=$4
  shift 4
  local part parameters
  parameters=$(sed -n 's/.*"parameters": \([0-9]*\).*/\1/p' "$results/ours-$net-step-1.json")
  for part in step nfe; do
    "$python" -B "$here/peer_pytorch.py" --net "$net" --mode $part --batch "$batch" \
      --repeats $repeats --parameters "$parameters" "$@" \
      >"$results/peer-$net-$part-$variant-$round.json" 2>"$results/error" ||
      {
        rm "$results/peer-$net-$part-$variant-$round.json"
        echo "$net $part $variant: $(tail -n 1 "$results/error")" >&2
      }
  done
}

for ((round = 1; round <= rounds; ++round)); do
  for net in $nets; do
    case $net in
      cifar10) config=cifar10_ddpm.ini batch=16 ;;
      mnist28) config=fashion_mnist_unet.ini batch=64 ;;
      *) echo "NETS: unknown network '$net'; known: cifar10 mnist28" >&2 && exit 2 ;;
    esac
    ours "$net" "$config" "$batch" "$round" "$@"
    peer "$net" "$batch" "$round" fp32
    peer "$net" "$batch" "$round" fp32-fused --adam fused --attention fused
    peer "$net" "$batch" "$round" fp32-channels-last --channels-last
    peer "$net" "$batch" "$round" bf16 --precision bf16
    peer "$net" "$batch" "$round" bf16-channels-last --precision bf16 --channels-last
  done
done
"$python" -B "$here/compare_table.py" "$results"
