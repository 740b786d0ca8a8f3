#pragma once

#include <algorithm>
#include <functional>

#include "core/gaussian_mixture.h"

namespace halcyon::testing {

inline torch::Tensor noise_like(const torch::Tensor& x0, at::Generator& rng) {
  return torch::randn(x0.sizes(), rng, x0.options());
}

/// Calls on_batch(x0, noise) with `count` draws of the law, some thousand at a time.
inline void for_batches(
    const GaussianMixture& law, int64_t count, at::Generator& rng,
    const std::function<void(const torch::Tensor&, const torch::Tensor&)>& on_batch) {
  for (int64_t begin = 0; begin < count; begin += 4000) {
    const auto x0 = law.sample(std::min<int64_t>(4000, count - begin), rng);
    on_batch(x0, noise_like(x0, rng));
  }
}

}  // namespace halcyon::testing
