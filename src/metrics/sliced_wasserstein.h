#pragma once

#include <torch/types.h>

#include <cstdint>

namespace halcyon {

/// The sliced Wasserstein-2 distance of a and b, [N, ...] each, per square root of dimension:
///
///     SW2^2 = mean over unit vectors u, and over i, of ((a u)_(i) - (b u)_(i))^2
///
/// with projections sorted (Bonneel et al. 2015), over `projections` directions from `rng`.  Sets
/// that differ by a shift of s in every number are s / sqrt(d) apart.  Of the larger set the first
/// images are taken.
double sliced_wasserstein(const torch::Tensor& a, const torch::Tensor& b, int64_t projections,
                          at::Generator rng);

/// The same with |a - b| for the square, and no root: the sliced Wasserstein-1 distance.
double sliced_wasserstein_1(const torch::Tensor& a, const torch::Tensor& b, int64_t projections,
                            at::Generator rng);

}  // namespace halcyon
