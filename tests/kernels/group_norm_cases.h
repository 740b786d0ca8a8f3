#pragma once

#include <vector>

#include "core/torch.h"
#include "kernels/group_norm.h"

namespace halcyon::testing {

struct GroupNormCase {
  int64_t batch, channels, groups, height, width;
  bool activate, add, scale_shift;
};

// Leaves of one call: x, weight, bias, add, scale, shift; what a case has not is undefined.
inline std::vector<torch::Tensor> leaves(const GroupNormCase& c) {
  const auto normal = [](std::vector<int64_t> shape) {
    return torch::randn(shape, torch::kFloat64);
  };
  std::vector<torch::Tensor> t = {
      3 + 2 * normal({c.batch, c.channels, c.height, c.width}),
      1 + 0.3 * normal({c.channels}),
      normal({c.channels}),
      c.add ? normal({c.batch, c.channels}) : torch::Tensor(),
      c.scale_shift ? 0.5 * normal({c.batch, c.channels}) : torch::Tensor(),
      c.scale_shift ? normal({c.batch, c.channels}) : torch::Tensor()};
  return t;
}

inline std::vector<torch::Tensor> as(const std::vector<torch::Tensor>& t, at::ScalarType image,
                                     at::ScalarType table) {
  std::vector<torch::Tensor> out;
  for (size_t i = 0; i < t.size(); ++i) {
    out.push_back(t[i].defined() ? t[i].to(i == 0 ? image : table).clone().requires_grad_(true)
                                 : t[i]);
  }
  return out;
}

using Norm = decltype(&group_norm);

inline torch::Tensor call(Norm norm, const std::vector<torch::Tensor>& t, const GroupNormCase& c) {
  return norm(t[0], t[1], t[2], {c.groups, 1e-6, c.activate}, {t[3], t[4], t[5]});
}

// y, then the gradients of sum(y probe) by every leaf.
inline std::vector<torch::Tensor> values(Norm norm, const std::vector<torch::Tensor>& t,
                                         const GroupNormCase& c, const torch::Tensor& probe) {
  const auto y = call(norm, t, c);
  std::vector<torch::Tensor> defined;
  for (const auto& leaf : t) {
    if (leaf.defined()) defined.push_back(leaf);
  }
  auto all = torch::autograd::grad({y}, defined, {probe.to(y.scalar_type())});
  all.insert(all.begin(), y.detach());
  return all;
}

// The last is too large for its backward pass to keep what it could use twice.
inline const std::vector<GroupNormCase> kGroupNormCases = {
    {3, 32, 8, 5, 7, true, true, false},  {1, 64, 32, 4, 4, true, false, true},
    {2, 96, 2, 3, 3, true, true, true},   {5, 128, 32, 8, 8, true, false, false},
    {4, 32, 2, 1, 1, true, true, false},  {1, 256, 32, 2, 2, false, false, false},
    {1, 32, 8, 72, 64, true, true, false}};

}  // namespace halcyon::testing
