#pragma once

#include <torch/nn/modules/normalization.h>

#include "kernels/group_norm.h"

namespace halcyon {

inline torch::nn::GroupNorm make_norm(int64_t groups, int64_t channels, double eps) {
  return torch::nn::GroupNorm(torch::nn::GroupNormOptions(groups, channels).eps(eps));
}

/// What group_norm() makes of x with the module's weights.
inline torch::Tensor normalise(torch::nn::GroupNorm& norm, const torch::Tensor& x, bool activate,
                               const Modulation& modulation = {}) {
  const auto& o = norm->options;
  return group_norm(x, norm->weight, norm->bias, {o.num_groups(), o.eps(), activate}, modulation);
}

/// The same for a residual branch, whose input goes past it too.
inline NormBranch branch(torch::nn::GroupNorm& norm, const torch::Tensor& x, bool activate) {
  const auto& o = norm->options;
  return group_norm_branch(x, norm->weight, norm->bias, {o.num_groups(), o.eps(), activate});
}

}  // namespace halcyon
