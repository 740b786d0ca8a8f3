#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>

namespace halcyon {

// Distances between two sets of images or of features.  None needs a trained network.

/// The sliced Wasserstein-2 distance of a and b, [N, ...] each, per square root of dimension:
///
///     SW2^2 = mean over unit vectors u, and over i, of ((a u)_(i) - (b u)_(i))^2
///
/// with projections sorted (Bonneel et al. 2015), over `projections` directions from `rng`.  Sets
/// that differ by a shift of s in every number are s / sqrt(d) apart.  Of the larger set the first
/// images are taken.
double sliced_wasserstein(const torch::Tensor& a, const torch::Tensor& b, int64_t projections,
                          at::Generator rng);

/// |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)), means and covariances of the features
/// a and b, [N, F] each (Heusel et al. 2017; Dowson and Landau 1982).  Too large by about a
/// constant over N: compare sets of one size.
double frechet_distance(const torch::Tensor& a, const torch::Tensor& b);

/// Features [N, F] of images [N, C, H, W] in model units, float32: means and standard deviations
/// over the pixels of the maps of three convolutions whose weights are random and always the same.
/// They see edges, texture and their arrangement, and no meaning; the distances of two sets of
/// models mostly have the same order by them, but not the values of published ones.
torch::Tensor random_features(const torch::Tensor& images);

/// A distance and the standard deviation of it under resampling both sets, `times` times (the
/// bootstrap: Efron 1979).
struct Distance {
  double value;
  double standard_error;
};
Distance with_bootstrap_error(
    const std::function<double(const torch::Tensor&, const torch::Tensor&)>& distance,
    const torch::Tensor& a, const torch::Tensor& b, int64_t times, at::Generator rng);

}  // namespace halcyon
