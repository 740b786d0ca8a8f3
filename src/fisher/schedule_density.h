#pragma once

#include <torch/types.h>

#include <vector>

#include "core/denoiser.h"
#include "fisher/sample_moments.h"

namespace halcyon {

/// How much of a sampler's work lies at a noise level, by two measures.
struct ScheduleDensity {
  double sigma = 0;
  /// (sigma / a)^2 E |d/d ln sigma of the score of y at fixed y|^2, where y = x / a with
  /// a^2 = sigma_data^2 + sigma^2 keeps its variance: how fast the score changes, in units of y's
  /// noise.  Going from sigma to sigma' costs it times (ln sigma'/sigma)^2, and of all grids of N
  /// levels the one with equal square roots costs least (Williams et al. 2024, the corrector's cost
  /// on a variance-preserving path).  0 for Gaussian data of that variance, whose y does not
  /// change.
  Estimate score_change;
  /// -d I(x_0; x) / d ln sigma = E |x_0 - D|^2 / sigma^2, nats (the I-MMSE relation: Guo, Shamai
  /// and Verdu 2005): what is learned of x_0 on the way down.
  Estimate information_rate;
};

/// Accumulates batches at one noise level.  3 NFE a sample.
class ScheduleLevel {
 public:
  /// sigma_data: the standard deviation of the data.
  ScheduleLevel(double sigma, double sigma_data);

  /// x0, noise: [B, ...].
  void add(Denoiser& denoiser, const torch::Tensor& x0, const torch::Tensor& noise);

  ScheduleDensity density() const;

 private:
  double sigma_;
  double sigma_data_;
  SampleMoments moments_;
};

/// `steps` levels from the highest of `sigmas` to the lowest, with equal integrals over ln sigma of
/// `density` between them: strictly decreasing.  `sigmas` increase, `density` is > 0, linear in
/// ln sigma between.  A single step is the highest.
std::vector<double> equal_increments(const std::vector<double>& sigmas,
                                     const std::vector<double>& density, int64_t steps);

}  // namespace halcyon
