#pragma once

#include <torch/types.h>

namespace halcyon {

/// Each element 0 with probability p, else divided by 1 - p (Srivastava et al. 2014, scaled so that
/// the mean stays).  Draws one seed from the generator; which elements go is a function of it, so
/// that no mask need be kept.  p in [0, 1).
torch::Tensor dropout(const torch::Tensor& x, double p, at::Generator& rng);

}  // namespace halcyon
