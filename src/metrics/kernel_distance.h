#pragma once

#include <torch/types.h>

#include <cstdint>

#include "metrics/metric_estimate.h"

namespace halcyon {

// The kernel distance KID (Binkowski et al. 2018): the squared maximum mean discrepancy of two sets
// of features for the kernel
//
//     k(x, y) = (x . y / F + 1)^3

/// Without bias, over all pairs of features a [N, F] and b [M, F], in float64:
///
///     sum_{i != j} k(a_i, a_j) / (N (N - 1)) + the same of b - 2 mean k(a_i, b_j)
///
/// 0 on average for equal laws, and then as often below.  The error is that of the jackknife that
/// leaves out one row at a time, in closed form.
MetricEstimate kernel_distance(const torch::Tensor& a, const torch::Tensor& b);

/// The same over `subsets` random subsets of `size` rows of each: mean and standard deviation over
/// the subsets, as torch-fidelity prints them.  The deviation is that of a subset, not of the mean.
Spread kernel_distance_of_subsets(const torch::Tensor& a, const torch::Tensor& b, int64_t subsets,
                                  int64_t size, at::Generator rng);

}  // namespace halcyon
