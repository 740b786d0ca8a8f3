#include "fisher/participation_ratio.h"

#include <torch/torch.h>

namespace halcyon {

double participation_ratio(const torch::Tensor& draws) {
  TORCH_CHECK(draws.dim() == 2 && draws.size(0) > 1,
              "participation_ratio: want at least 2 draws [n, d], got ", draws.sizes());
  const auto n = static_cast<double>(draws.size(0));
  const auto norms = draws.square().sum(1, /*keepdim=*/false, torch::kFloat64);
  const double trace = norms.mean().item<double>();
  // |S S^T|_F = |S^T S|_F: the smaller product does; the diagonal i = j is taken out.
  const auto gram =
      draws.size(0) < draws.size(1) ? draws.matmul(draws.t()) : draws.t().matmul(draws);
  const double squares = gram.square().sum(torch::kFloat64).item<double>();
  const double diagonal = norms.square().sum().item<double>();
  return trace * trace / ((squares - diagonal) / (n * (n - 1)));
}

}  // namespace halcyon
