#pragma once

#include <torch/types.h>

#include "core/denoiser.h"
#include "core/gaussian_mixture.h"
#include "fisher/likelihood_options.h"
#include "fisher/log_snr_density.h"
#include "fisher/sample_moments.h"

namespace halcyon {

/// A negative log likelihood in nats, the mean over images, and what it is made of.
struct InformationNll {
  int64_t dim = 0;
  int64_t nfe = 0;  ///< per image
  double sigma_min = 0;
  double sigma_max = 0;
  double loc = 0;    ///< of the density of log-SNR that sigma was drawn from
  double scale = 0;  ///< of the same

  /// Upper bound: below sigma_min the observation itself is the denoised image, D(x) = x.
  Estimate bound = {};
  /// No bound, but closer: below sigma_min the error goes on as that of an isotropic Gaussian,
  /// mmse = d / (gamma + kappa), with kappa from the error at sigma_min.
  Estimate matched = {};
  Estimate eps_mse = {};          ///< E |n - eps_hat|^2 / d at sigma_min
  double left_tail = 0;           ///< part of both from above sigma_max, by the Gaussian
  double right_tail_bound = 0;    ///< part of `bound` from below sigma_min
  double right_tail_matched = 0;  ///< part of `matched` from below sigma_min
};

/// The cross-entropy of a denoiser as an integral of its error over the signal-to-noise ratio
/// gamma = 1 / sigma^2 (Kong et al. 2023; Guo, Shamai and Verdu 2005), with l = ln gamma:
///
///     NLL = d/2 ln 2 pi e + 1/2 integral [L(l) - d sigmoid(l)] dl,   L = E |n - eps_hat|^2
///
/// For any denoiser it is at least the entropy of the data.  Inside [sigma_min, sigma_max] it is
/// measured against the Wiener filter of the Gaussian with the data's covariance, whose integral
/// is known; the Gaussian also is the tail above sigma_max, an upper bound of it:
///
///     bound   = 1/2 ln det 2 pi e (Cov + sigma_min^2 I) + 1/2 integral [L - L_Gauss] dl
///     matched = bound + d/2 ln (L(sigma_min) / d)
///
/// so that a true denoiser has for `bound` the entropy of p(x; sigma_min).  Each image gets `draws`
/// noise levels, one in each stratum of a LogSnrDensity, and the control variate
/// (1 - j)^2 (|n|^2 - d), with j the Gaussian's Fisher fraction: fixed before the sample and of
/// mean zero for any network.  Images are independent, so are their means over strata, and the
/// standard errors are those of these means.  The Gaussian is taken as known.
class InformationLikelihood {
 public:
  /// gaussian: one component, of the data's mean and covariance.
  /// @throws ConfigError unless 0 < sigma_min < sigma_max and the options are in range.
  InformationLikelihood(const GaussianMixture& gaussian, double sigma_min, double sigma_max,
                        const InformationOptions& options = {});

  /// x0: [B, ...] in model units.  `draws` + 1 NFE an image.
  void add(Denoiser& denoiser, const torch::Tensor& x0, at::Generator& rng);

  InformationNll estimates() const;

 private:
  /// |n - eps_hat|^2 less the control variate, at noise levels sigma [B] float64: [B] float64.
  torch::Tensor controlled_loss(Denoiser& denoiser, const torch::Tensor& x0,
                                const torch::Tensor& sigma, at::Generator& rng) const;
  /// 1 - j of the Gaussian at sigma [B] float64: [B].
  torch::Tensor gaussian_noise_left(const torch::Tensor& sigma) const;

  GaussianMixture gaussian_;
  double sigma_min_, sigma_max_;
  int64_t draws_;
  LogSnrDensity density_;
  SampleMoments moments_;
};

}  // namespace halcyon
