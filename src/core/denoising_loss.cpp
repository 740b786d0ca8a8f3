#include "core/denoising_loss.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <cmath>
#include <numbers>

#include "core/error.h"

namespace halcyon {

DenoisingScoreMatching::DenoisingScoreMatching(const LossOptions& options,
                                               const PreconditioningOptions& preconditioning)
    : options_(options), sigma_data_(preconditioning.sigma_data), schedule_(preconditioning.vp) {
  if (!(options.p_std > 0) || !std::isfinite(options.p_std) || !std::isfinite(options.p_mean)) {
    throw ConfigError(fmt::format("loss: want a finite p_mean and p_std > 0, got {} and {}",
                                  options.p_mean, options.p_std));
  }
  if (options.weighting == LossWeighting::edm && !(sigma_data_ > 0)) {
    throw ConfigError(
        fmt::format("preconditioning.sigma_data: loss.weighting = edm wants a number > 0, got {}",
                    sigma_data_));
  }
  const auto made = make_preconditioning(preconditioning);
  sigma_min_ = made->sigma_min();
  sigma_max_ = made->sigma_max();
}

torch::Tensor DenoisingScoreMatching::quantile(const torch::Tensor& u) const {
  switch (options_.distribution) {
    case SigmaDistribution::lognormal:
      return (options_.p_mean + options_.p_std * std::numbers::sqrt2 * (2 * u - 1).erfinv()).exp();
    case SigmaDistribution::vp: {
      const auto timesteps = static_cast<double>(schedule_.alpha_bar().size());
      return schedule_.sigma((timesteps * u).floor());
    }
    case SigmaDistribution::log_uniform:
      return sigma_min_ * (u * std::log(sigma_max_ / sigma_min_)).exp();
  }
  TORCH_CHECK(false, "unreachable");
}

torch::Tensor DenoisingScoreMatching::draw_uniform(int64_t count, const torch::Tensor& like,
                                                   at::Generator& rng) {
  const auto options = torch::TensorOptions(torch::kFloat64).device(like.device());
  const auto offset = torch::rand({1}, rng, options);
  const auto strata = torch::arange(count, options) / static_cast<double>(count);
  return (strata + offset).remainder(1.0);
}

torch::Tensor DenoisingScoreMatching::sigma_at(const torch::Tensor& u,
                                               const torch::Tensor& like) const {
  // Within 1e-9 of 0 and 1 the normal quantile is still finite: |ln sigma - p_mean| < 6 p_std.
  return quantile(u.clamp(1e-9, 1 - 1e-9)).to(like.scalar_type());
}

torch::Tensor DenoisingScoreMatching::draw_sigma(int64_t count, const torch::Tensor& like,
                                                 at::Generator& rng) const {
  return sigma_at(draw_uniform(count, like, rng), like);
}

DenoisingLoss DenoisingScoreMatching::loss(Denoiser& denoiser, const torch::Tensor& x0,
                                           const torch::Tensor& sigma, at::Generator& rng) const {
  const auto noise = torch::randn(x0.sizes(), rng, x0.options());
  const auto denoised = denoiser.denoise(x0 + per_sample(sigma, x0) * noise, sigma);
  const auto error = (denoised - x0).square().flatten(1).mean(1);
  switch (options_.weighting) {
    case LossWeighting::edm:
      return {sigma, error, (sigma.pow(-2) + std::pow(sigma_data_, -2)) * error, noise, denoised};
    case LossWeighting::epsilon:
      return {sigma, error, error / sigma.square(), noise, denoised};
    case LossWeighting::x0:
      return {sigma, error, error, noise, denoised};
  }
  TORCH_CHECK(false, "unreachable");
}

}  // namespace halcyon
