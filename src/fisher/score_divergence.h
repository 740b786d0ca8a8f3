#pragma once

#include <torch/types.h>

#include <vector>

#include "fisher/log_sigma_quadrature.h"
#include "fisher/sample_moments.h"

namespace halcyon {

/// How far two denoisers are apart, in nats and at each level, on the same noised images:
///
///     FD(1, 2)(sigma) = E |s_1 - s_2|^2 = E |D_1 - D_2|^2 / sigma^4,  x ~ p(x; sigma)
///     nats            = 1/2 int FD d sigma^2 = int sigma^2 FD d ln sigma
///
/// The integral over all levels is the relative entropy of the paths of the two reverse SDEs (Song
/// et al. 2021, by Girsanov's theorem).  Levels are to be added from low to high sigma, each of
/// independent samples.
class ScoreDivergence {
 public:
  explicit ScoreDivergence(int64_t dim) : dim_(dim) {}

  /// Begins the next level.  @throws c10::Error unless sigma is above the one before.
  void begin_level(double sigma);

  /// What the two made of the same x: [B, ...] each.
  void add(const torch::Tensor& denoised, const torch::Tensor& other);

  struct Level {
    double sigma = 0;
    Estimate fisher_divergence;  ///< FD, in 1 / x^2
    Estimate fraction;           ///< sigma^2 FD / d: in the units of eps_mse
  };
  std::vector<Level> levels() const;

  /// int sigma^2 FD d ln sigma over the levels, by the trapezoidal rule.
  Estimate nats(Levels levels = Levels::independent) const;

 private:
  int64_t dim_;
  std::vector<double> sigmas_;
  std::vector<SampleMoments> moments_;  // of |eps_hat_1 - eps_hat_2|^2 / d
};

}  // namespace halcyon
