#pragma once

#include <torch/types.h>

#include <array>
#include <memory>
#include <utility>

#include "core/adaptive_noise.h"
#include "core/denoiser.h"
#include "core/preconditioning.h"

namespace halcyon {

/// How the noise level of a training sample is drawn.
enum class SigmaDistribution { lognormal, process, vp, log_uniform };

inline constexpr std::array<std::pair<SigmaDistribution, const char*>, 4> enum_names(
    SigmaDistribution) {
  return {{{SigmaDistribution::lognormal, "lognormal"},
           {SigmaDistribution::process, "process"},
           {SigmaDistribution::vp, "vp"},
           {SigmaDistribution::log_uniform, "log_uniform"}}};
}

/// How the squared error of the score counts at each noise level.
enum class LossWeighting { network, edm, epsilon, x0 };

inline constexpr std::array<std::pair<LossWeighting, const char*>, 4> enum_names(LossWeighting) {
  return {{{LossWeighting::network, "network"},
           {LossWeighting::edm, "edm"},
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
        "how sigma is drawn: lognormal (EDM; logit-normal t of flow), process (uniform in its t), "
        "vp (in that of the discrete VP process) or log_uniform");
    field(self.weighting, "weighting",
          "lambda(sigma) of the score error; network: the plain squared error of what it predicts");
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
///     network  1 / c_out^2: |D - x_0|^2 = c_out^2 |F - its target|^2, so that the network is held
///              against its own target, as L_simple and flow matching (|F - (n - x_0)|^2) do
///
/// lognormal with p_mean m and p_std s is, in the t of flow, logit t ~ N(m, s^2), since sigma =
/// t / (1 - t): the logit-normal distribution of Esser et al. 2024 (m = 0, s = 1).
class DenoisingScoreMatching {
 public:
  /// `preconditioning` has the process, whose levels bound log_uniform.
  /// @throws ConfigError unless p_std > 0, and as make_preconditioning().
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

  /// The denoising errors [B] at the levels sigma [B] as the objective counts them.
  torch::Tensor weighted(const torch::Tensor& error, const torch::Tensor& sigma) const;

 private:
  torch::Tensor quantile(const torch::Tensor& u) const;

  LossOptions options_;
  double sigma_data_;
  std::unique_ptr<Preconditioning> preconditioning_;
  std::unique_ptr<NoiseProcess> process_;
  VpSchedule vp_;
};

}  // namespace halcyon
