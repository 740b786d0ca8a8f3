#pragma once

#include <torch/types.h>

namespace halcyon {

/// (tr F)^2 / tr F^2 of F = E[s s^T] from n >= 2 independent draws of s, [n, d] of any scale: how
/// many directions share the information.  tr F^2 is the mean of (s_i . s_j)^2 over pairs i != j,
/// a U-statistic: that of the sample's own covariance is too large by (tr F)^2 / n.
double participation_ratio(const torch::Tensor& draws);

}  // namespace halcyon
