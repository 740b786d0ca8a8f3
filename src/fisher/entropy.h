#pragma once

#include <vector>

#include "core/gaussian_mixture.h"
#include "fisher/sample_moments.h"

namespace halcyon {

/// Differential entropy from a curve of the Fisher information, in nats.
struct FisherEntropy {
  double sigma_min = 0;
  double sigma_max = 0;
  double gaussian_entropy = 0;  ///< at sigma_max, where the integration starts
  Estimate noised = {};         ///< h of p(x; sigma_min), data with noise sigma_min
  Estimate clean = {};          ///< h of p(x; 0), by the first-order tail below sigma_min
  /// Of `noised`, whatever the correlation of the levels: the standard errors above are those of
  /// independent levels, and levels that share their images are not quite.
  double standard_error_bound = 0;
};

/// The integral of de Bruijn's identity dh / d ln sigma = sigma^2 J (Stam 1959; Barron 1986), down
/// from the Gaussian with the data's covariance:
///
///     h(p_sigma_min) = 1/2 ln det 2 pi e (Cov + sigma_max^2 I)
///                      - integral of sigma^2 J d ln sigma,   trapezoidal in ln sigma
///     h(p_0)         = h(p_sigma_min) - sigma_min^2 J(sigma_min) / 2
///
/// The clean entropy wants data with a density (dequantised), and sigma_min below its scales.  With
/// J replaced by a lower bound, as FisherEstimates::fisher_info_low, both are upper bounds: the
/// cross-entropy of a model; with E|s|^2 or -E tr grad s of a network neither side is certain.
/// sigma: increasing, one level each; fisher_info: J there, in 1 / x^2.  The error of the
/// quadrature is not in the standard errors; on a mixture of two Gaussians 16 levels on [0.01, 50]
/// leave 2e-4 nats, 8 levels 0.06.
FisherEntropy fisher_entropy(const std::vector<double>& sigma,
                             const std::vector<Estimate>& fisher_info,
                             const GaussianMixture& gaussian);

/// 1/2 ln det 2 pi e (Cov + sigma^2 I), in nats, of a mixture of one component.
double gaussian_entropy(const GaussianMixture& gaussian, double sigma);

}  // namespace halcyon
