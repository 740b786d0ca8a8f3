#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>

#include "metrics/metric_estimate.h"

namespace halcyon {

/// Mean and covariance of features, float64: all that a Frechet distance needs of a set.
struct GaussianStatistics {
  torch::Tensor mean;        ///< [F]
  torch::Tensor covariance;  ///< [F, F], over N - 1
  int64_t count = 0;         ///< N; 0 where it is not known
};

/// Of features [N, F], N >= 2.
GaussianStatistics gaussian_statistics(const torch::Tensor& features);

/// |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)) between N(m_a, C_a) and N(m_b, C_b) (Dowson
/// and Landau 1982; Heusel et al. 2017).  The root's trace is that of the symmetric matrix
/// (C_a^(1/2) C_b C_a^(1/2))^(1/2), in float64, also of singular covariances.
double frechet_distance(const GaussianStatistics& a, const GaussianStatistics& b);

/// One side of the distance that stays while the other changes: the root of its covariance is taken
/// once.
class FrechetReference {
 public:
  explicit FrechetReference(GaussianStatistics statistics);
  double distance(const GaussianStatistics& other) const;

 private:
  GaussianStatistics statistics_;
  torch::Tensor root_;
};

/// The reference of an estimate: its features [M, F] where they are known, and else statistics that
/// are taken as exact.
struct FrechetSet {
  GaussianStatistics statistics;
  std::optional<torch::Tensor> features;
};
FrechetSet frechet_set(const torch::Tensor& features);

/// The distance of features [N, F] to a reference, as it is published: too large by about c / N.
/// Its error is that of a jackknife over `groups` groups of each set whose features are known.
MetricEstimate frechet_estimate(const torch::Tensor& features, const FrechetSet& reference,
                                int64_t groups, at::Generator rng);

/// FID_infinity: the distance for infinitely many samples (Chong and Forsyth 2020).  FD(n) = FD + c
/// / n is fitted to the mean distance over `m` disjoint parts of N / m samples, m = 1 ..
/// kFrechetParts: every sample counts at every size, so that the line adds no noise of choosing
/// some.  The reference stays whole; its own bias, about c / M, stays too.
///
/// `finite_error` is that of frechet_estimate(): a jackknife counts the second-order noise of FD(N)
/// twice, which is what the fit's weights make of it, sum_m w_m^2 (m - 1) + 1 = 2.  The residuals
/// of the fit are added.
MetricEstimate frechet_infinity(const torch::Tensor& features, const FrechetSet& reference,
                                double finite_error, at::Generator rng);

inline constexpr int64_t kFrechetParts = 5;

}  // namespace halcyon
