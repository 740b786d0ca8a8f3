#pragma once

#include <torch/types.h>

#include "core/denoiser.h"
#include "fisher/sample_moments.h"

namespace halcyon {

/// The multiplier of the score that fits the data of one noise level best, and what it gains.  All
/// but the multiplier are shares of pure noise, as eps_mse is: per dimension, in units of
/// 1 / sigma^2.
struct CalibrationFit {
  double sigma = 0;
  Estimate calibration;        ///< c* = E [n . eps_hat] / E |eps_hat|^2 = J_stein / E |s|^2
  Estimate fisher_frac_exp;    ///< j_exp = E |eps_hat|^2 / d
  Estimate fisher_frac_stein;  ///< j_stein = E [n . eps_hat] / d
  double drop_fitted = 0;      ///< (j_exp - j_stein)^2 / j_exp: on the images of the fit, exactly
  Estimate drop_expected;      ///< on fresh images: drop_fitted - 2 j_exp SE(c*)^2
};

/// The denoising error of other images with and without a multiplier, on the same noise.
struct CalibrationGain {
  Estimate eps_mse_before;
  Estimate eps_mse_after;
  Estimate drop;  ///< before - after, paired: the drop of sigma^2 / d times the Fisher divergence
};

/// Accumulates batches at one noise level: construct, add batches, read either struct.  For images
/// to fit on, and for images to test on.
class CalibrationLevel {
 public:
  explicit CalibrationLevel(double sigma);

  /// Denoises x0 + sigma noise, both [B, ...].  1 NFE a sample, no derivative.
  void add(Denoiser& denoiser, const torch::Tensor& x0, const torch::Tensor& noise);

  /// The noise in a fitted c costs j_exp SE(c)^2 in expectation on fresh images and flatters the
  /// fit by as much, so the fitted drop is too large by twice that.
  CalibrationFit fit() const;

  /// With D' = x + c (D - x).
  CalibrationGain gain(double c) const;

 private:
  double sigma_;
  SampleMoments moments_;
};

}  // namespace halcyon
