#pragma once

#include <vector>

#include "core/torch.h"

namespace halcyon::testing {

/// y, the gradients of |y|^2 by the leaves, and, if asked for, those of the gradients' |.|^2.
inline std::vector<torch::Tensor> with_derivatives(const torch::Tensor& y,
                                                   const std::vector<torch::Tensor>& leaves,
                                                   bool second) {
  std::vector<torch::Tensor> all = {y.detach()};
  const auto first = torch::autograd::grad({(y * y).sum()}, leaves, {}, true, second);
  all.insert(all.end(), first.begin(), first.end());
  if (!second) return all;
  auto sum = torch::zeros({}, y.options());
  for (const auto& g : first) sum = sum + g.square().sum();
  const auto more = torch::autograd::grad({sum}, leaves);
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

}  // namespace halcyon::testing
