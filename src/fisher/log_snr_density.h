#pragma once

#include <torch/types.h>

#include "core/gaussian_mixture.h"

namespace halcyon {

/// Where an integral over the log signal-to-noise ratio l = -2 ln sigma is sampled: three parts of
/// a logistic density (loc, scale) truncated to [low, high] and one part uniform, which keeps the
/// weights 1 / density below 4 (high - low) whatever the integrand does in the tails.
class LogSnrDensity {
 public:
  /// @throws ConfigError unless low <= loc <= high, low < high and scale > 0.
  LogSnrDensity(double low, double high, double loc, double scale);

  /// Of log_snr in [low, high]; any shape, float64.
  torch::Tensor density(const torch::Tensor& log_snr) const;

  /// The log-SNR below which a share u of the density lies; u in [0, 1], any shape, float64.
  torch::Tensor quantile(const torch::Tensor& u) const;

  double loc() const { return loc_; }
  double scale() const { return scale_; }

 private:
  torch::Tensor cumulative(const torch::Tensor& log_snr) const;

  double low_, high_, loc_, scale_;
  double below_, inside_;  // logistic mass below `low` and in [low, high]
};

/// The density whose logistic part has the median and quartiles of the information rate
/// mmse / sigma^2 of a Gaussian (one component) between its values at the ends of [low, high].  For
/// a wide range and an isotropic Gaussian of variance v it is loc = -ln v, scale = 1.
LogSnrDensity information_density(const GaussianMixture& gaussian, double low, double high);

}  // namespace halcyon
