#pragma once

#include <torch/types.h>

#include <array>
#include <utility>

#include "core/adaptive_noise.h"
#include "core/denoiser.h"
#include "core/preconditioning.h"

namespace halcyon {

/// How the noise level of a training sample is drawn.
enum class SigmaDistribution { lognormal, vp, log_uniform };

inline constexpr std::array<std::pair<SigmaDistribution, const char*>, 3> enum_names(
    SigmaDistribution) {
  return {{{SigmaDistribution::lognormal, "lognormal"},
           {SigmaDistribution::vp, "vp"},
           {SigmaDistribution::log_uniform, "log_uniform"}}};
}

/// How the squared error of the score counts at each noise level.
enum class LossWeighting { edm, epsilon, x0 };

inline constexpr std::array<std::pair<LossWeighting, const char*>, 3> enum_names(LossWeighting) {
  return {{{LossWeighting::edm, "edm"},
           {LossWeighting::epsilon, "epsilon"},
           {LossWeighting::x0, "x0"}}};
}

struct LossOptions {
  SigmaDistribution distribution = SigmaDistribution::lognormal;
  LossWeighting weighting = LossWeighting::edm;
  double p_mean = -1.2;
  double p_std = 1.2;
  AdaptiveNoiseOptions adaptive;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(
        self.distribution, "distribution",
        "how sigma is drawn: lognormal (EDM), vp (uniform in t of the VP process) or log_uniform");
    field(self.weighting, "weighting", "lambda(sigma) of the score error");
    field(self.p_mean, "p_mean", "mean of ln sigma (lognormal)");
    field(self.p_std, "p_std", "standard deviation of ln sigma (lognormal), > 0");
    AdaptiveNoiseOptions::fields(self.adaptive, field);
  }
};

/// What one batch says about the denoiser, kept per sample so that diagnostics can bin it.
struct DenoisingLoss {
  torch::Tensor sigma;     ///< [B] noise level of each sample
  torch::Tensor error;     ///< [B] |D(x_0 + sigma n; sigma) - x_0|^2 / dim
  torch::Tensor weighted;  ///< [B] its mean is the training objective
  torch::Tensor noise;     ///< n, shaped as x_0
  torch::Tensor denoised;  ///< D(x_0 + sigma n; sigma), shaped as x_0
};

/// Denoising score matching (Vincent 2011): an estimate of the Fisher divergence between the
/// model and the noised data at the noise levels drawn,
///
///     sum over sigma of lambda(sigma) E |s(x; sigma) - grad_x log p(x | x_0)|^2,
///     s = (D - x) / sigma^2,   grad_x log p(x | x_0) = (x_0 - x) / sigma^2
///
/// so that each sample weighs lambda / sigma^4 on |D - x_0|^2.  lambda / sigma^4 is
///     edm      1 / sigma^2 + 1 / sigma_data^2   (Karras et al. 2022, Table 1)
///     epsilon  1 / sigma^2                      (Ho et al. 2020, L_simple)
///     x0       1
class DenoisingScoreMatching {
 public:
  /// `preconditioning` bounds sigma for log_uniform; `vp` is the process of distribution = vp.
  /// @throws ConfigError unless p_std > 0.
  DenoisingScoreMatching(const LossOptions& options, const PreconditioningOptions& preconditioning);

  /// [count] noise levels on `like`'s device and type: sigma_at() of draw_uniform().
  torch::Tensor draw_sigma(int64_t count, const torch::Tensor& like, at::Generator& rng) const;

  /// [count] float64 on `like`'s device: (u + i / count) mod 1 with one uniform u, so that each is
  /// uniform and a batch covers all of [0, 1) (the low-discrepancy sampler of Kingma et al. 2021).
  static torch::Tensor draw_uniform(int64_t count, const torch::Tensor& like, at::Generator& rng);

  /// The quantiles u [B] in [0, 1) of the distribution, as noise levels of `like`'s type.
  torch::Tensor sigma_at(const torch::Tensor& u, const torch::Tensor& like) const;

  /// Draws n for the clean batch x0 [B, ...] at the levels sigma [B] and measures the error left.
  DenoisingLoss loss(Denoiser& denoiser, const torch::Tensor& x0, const torch::Tensor& sigma,
                     at::Generator& rng) const;

 private:
  torch::Tensor quantile(const torch::Tensor& u) const;

  LossOptions options_;
  double sigma_data_;
  double sigma_min_;
  double sigma_max_;
  VpSchedule schedule_;
};

}  // namespace halcyon
