#pragma once

#include "core/denoiser.h"
#include "core/log_sigma_table.h"

namespace halcyon {

/// A denoiser whose score is multiplied by c(sigma): a decorator,
///
///     D'(x; sigma) = x + c(sigma) (D(x; sigma) - x),   s' = c s.
///
/// The multiplier that lowers the Fisher divergence E |c s - grad log p|^2 most is
/// c* = J_obs / E |s|^2, and it lowers it by (E |s|^2 - J_obs)^2 / E |s|^2
/// (fisher/score_calibration.h measures both).
class CalibratedDenoiser final : public Denoiser {
 public:
  /// @throws ConfigError unless every multiplier is > 0.
  CalibratedDenoiser(Denoiser& inner, LogSigmaTable multiplier);

  torch::Tensor denoise(const torch::Tensor& x, const torch::Tensor& sigma) override;

 private:
  Denoiser& inner_;
  LogSigmaTable multiplier_;
};

}  // namespace halcyon
