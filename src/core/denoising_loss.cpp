#include "core/denoising_loss.h"

#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "core/error.h"
#include "core/torch.h"

namespace halcyon {

DenoisingScoreMatching::DenoisingScoreMatching(const LossOptions& options,
                                               const PreconditioningOptions& preconditioning)
    : options_(options),
      sigma_data_(preconditioning.sigma_data),
      preconditioning_(make_preconditioning(preconditioning)),
      process_(make_noise_process(process_options(preconditioning))),
      vp_(preconditioning.noise.vp) {
  if (!(options.p_std > 0) || !std::isfinite(options.p_std) || !std::isfinite(options.p_mean)) {
    throw ConfigError(fmt::format("loss: want a finite p_mean and p_std > 0, got {} and {}",
                                  options.p_mean, options.p_std));
  }
  if (options.weighting == LossWeighting::edm && !(sigma_data_ > 0)) {
    throw ConfigError(
        fmt::format("preconditioning.sigma_data: loss.weighting = edm wants a number > 0, got {}",
                    sigma_data_));
  }
}

torch::Tensor DenoisingScoreMatching::quantile(const torch::Tensor& u) const {
  switch (options_.distribution) {
    case SigmaDistribution::lognormal:
      return (options_.p_mean + options_.p_std * std::numbers::sqrt2 * (2 * u - 1).erfinv()).exp();
    case SigmaDistribution::process:
      return process_->training_sigma(u);
    case SigmaDistribution::vp:
      return vp_.training_sigma(u);
    case SigmaDistribution::log_uniform:
      return process_->sigma_min() *
             (u * std::log(process_->sigma_max() / process_->sigma_min())).exp();
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
  return {sigma, error, weighted(error, sigma), noise, denoised};
}

torch::Tensor DenoisingScoreMatching::weighted(const torch::Tensor& error,
                                               const torch::Tensor& sigma) const {
  switch (options_.weighting) {
    case LossWeighting::network:
      return error / preconditioning_->scaling(sigma).c_out.square();
    case LossWeighting::edm:
      return (sigma.pow(-2) + std::pow(sigma_data_, -2)) * error;
    case LossWeighting::epsilon:
      return error / sigma.square();
    case LossWeighting::x0:
      return error;
  }
  TORCH_CHECK(false, "unreachable");
}

}  // namespace halcyon
