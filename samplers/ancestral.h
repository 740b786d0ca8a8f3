#pragma once

#include <memory>
#include <optional>

#include "core/log_sigma_table.h"
#include "samplers/options.h"
#include "samplers/sampler.h"

namespace halcyon {

/// DDPM's ancestral sampling (Ho et al. 2020, Algorithm 2).  For x at noise level s and the next
/// level u < s, with r = (u / s)^2,
///
///     x' = D + r (x - D) + sqrt(variance(s, u)) n,
///
/// the same law in these coordinates for VP and VE processes.  The step to u = 0 adds no noise.
/// 1 NFE per step.
class DdpmSampler final : public Sampler {
 public:
  /// eps_mse: E |x_0 - D|^2 / (d sigma^2) over sigma; used, and wanted, by `optimal` only.
  /// @throws ConfigError for `optimal` without it.
  explicit DdpmSampler(ReverseVariance variance = ReverseVariance::posterior,
                       std::optional<LogSigmaTable> eps_mse = {});

  /// The variance of the noise added on the way from s to u, per dimension:
  ///
  ///     posterior  u^2 (1 - r): of the noising chain given x_0 (Ho et al. 2020, eq. 7)
  ///     upper      (s^2 - u^2) (1 + u^2) / (1 + s^2): Ho et al.'s beta_t, best for N(0, I) data
  ///     optimal    u^2 (1 - r) + (1 - r)^2 E |x_0 - D|^2 / d (Bao et al. 2022)
  ///
  /// The last is that of x_u about the mean of the step: the spread of the chain given x_0, and
  /// that of x_0 about D, which the others leave out or guess.
  double variance(double s, double u) const;

 private:
  torch::Tensor run(Denoiser&, torch::Tensor x, const std::vector<double>& sigmas,
                    NoiseSource&) const override;

  /// E |x_0 - D|^2 / d at s.  Constant above the table, where the noise hides all of x_0, and s^2
  /// times a constant below it.
  double x0_mse(double s) const;

  ReverseVariance variance_;
  std::optional<LogSigmaTable> eps_mse_;
};

/// The deterministic part of an ancestral step.
enum class AncestralStep { euler, midpoint, dpmpp_2s };

/// A deterministic step past the next level, and noise back up to it:
///
///     sigma_up   = min(u, eta u sqrt(1 - (u / s)^2)),   sigma_down = sqrt(u^2 - sigma_up^2)
///
/// from s to the next level u.  With euler it is DDIM with eta (Song, Meng and Ermon 2021, eq. 12
/// and 16), at eta = 1 DDPM with the posterior variance, at eta = 0 the probability-flow ODE;
/// with the others, the second-order steps of midpoint and dpmpp_2s.  The step to u = 0 is Euler's.
/// 1 NFE a step with euler, else 2.
class AncestralSampler final : public Sampler {
 public:
  /// @throws ConfigError unless eta >= 0.
  AncestralSampler(AncestralStep step, double eta);

 private:
  torch::Tensor run(Denoiser&, torch::Tensor x, const std::vector<double>& sigmas,
                    NoiseSource&) const override;

  std::unique_ptr<Sampler> step_;  // the solver of the probability-flow ODE of that name
  double eta_;
};

}  // namespace halcyon
