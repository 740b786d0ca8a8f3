#include "curvature/pruning.h"

#include <algorithm>
#include <vector>

#include "core/torch.h"

namespace halcyon {
namespace {

/// Of all numbers [P], which lie in affine layers.
torch::Tensor in_layers(const Curvature& fisher) {
  auto found = torch::zeros({fisher.space().dim()}, torch::kBool);
  for (const auto& block : fisher.blocks()) {
    if (!fisher.is_layer(block)) continue;
    fisher.scatter(torch::ones(block.eigenvalues.sizes(), torch::kBool), block, found);
  }
  return found;
}

/// The `count` candidates of least saliency [P].
torch::Tensor lowest(const torch::Tensor& saliency, const torch::Tensor& candidates,
                     int64_t count) {
  const auto index = candidates.nonzero().squeeze(1);
  const auto order = saliency.index_select(0, index).argsort();
  auto removed = torch::zeros_like(candidates);
  removed.index_fill_(0, index.index_select(0, order.narrow(0, 0, count)), true);
  return removed;
}

struct Output {
  const CurvatureBlock* block;
  int64_t row;
  int64_t count;    ///< numbers in it
  double saliency;  ///< nats
};

std::vector<Output> outputs(const Curvature& fisher, const torch::Tensor& theta) {
  std::vector<Output> found;
  for (const auto& block : fisher.blocks()) {
    if (!fisher.is_layer(block)) continue;
    const auto numbers = fisher.gather(theta, block).to(block.eigenvalues.options());
    const auto cost = (0.5 * block.row_forms(numbers)).to(torch::kCPU, torch::kFloat64);
    const int64_t count = block.eigenvalues.numel() / block.rows;
    for (int64_t row = 0; row < block.rows; ++row) {
      found.push_back({&block, row, count, cost[row].item<double>()});
    }
  }
  return found;
}

torch::Tensor cheapest_outputs(const Curvature& fisher, const torch::Tensor& theta, int64_t most) {
  auto all = outputs(fisher, theta);
  std::stable_sort(all.begin(), all.end(), [](const Output& a, const Output& b) {
    return a.saliency / static_cast<double>(a.count) < b.saliency / static_cast<double>(b.count);
  });
  auto removed = torch::zeros({fisher.space().dim()}, torch::kBool);
  for (const auto& output : all) {
    if (output.count > most) continue;
    most -= output.count;
    auto numbers = fisher.gather(removed, *output.block).clone();
    numbers.view({output.block->rows, -1})[output.row].fill_(true);
    fisher.scatter(numbers, *output.block, removed);
  }
  return removed;
}

}  // namespace

int64_t Pruning::count() const { return removed.sum().item<int64_t>(); }

Pruning prune(const Curvature& fisher, const torch::Tensor& theta, PruningKind kind, double share) {
  const torch::NoGradGuard no_grad;
  TORCH_CHECK(0 < share && share < 1, "prune: want a share in (0, 1), got ", share);
  const auto candidates = in_layers(fisher);
  Pruning found;
  found.candidates = candidates.sum().item<int64_t>();
  const auto count = static_cast<int64_t>(share * static_cast<double>(found.candidates));
  if (kind == PruningKind::structured) {
    found.removed = cheapest_outputs(fisher, theta, count);
  } else {
    const auto saliency =
        kind == PruningKind::magnitude ? theta.abs() : 0.5 * fisher.diagonal() * theta.square();
    found.removed = lowest(saliency.cpu(), candidates, count);
  }
  const auto gone = theta * found.removed.to(theta.options());
  found.divergence = 0.5 * fisher.quadratic(gone);
  return found;
}

}  // namespace halcyon
