#include "fisher/information_likelihood.h"

#include <cmath>

#include "core/require.h"
#include "core/torch.h"
#include "fisher/entropy.h"

namespace halcyon {
namespace {

// The variables of SampleMoments.
enum Variable : int64_t {
  kExcess,     // 1/2 integral [L - L_Gauss] dl, nats
  kLowestMse,  // |n - eps_hat|^2 / d at sigma_min
  kVariables
};

double log_snr(double sigma) { return -2 * std::log(sigma); }

LogSnrDensity make_density(const GaussianMixture& gaussian, double sigma_min, double sigma_max,
                           const InformationOptions& options) {
  check_options(options);
  require_option(0 < sigma_min && sigma_min < sigma_max && std::isfinite(sigma_max), "sigma_min",
                 "0 < sigma_min < sigma_max", sigma_min);
  const double low = log_snr(sigma_max);
  const double high = log_snr(sigma_min);
  if (options.scale > 0) return {low, high, options.loc, options.scale};
  return information_density(gaussian, low, high);
}

}  // namespace

void check_options(const InformationOptions& o) {
  require_option(o.draws > 0, "it.draws", "a whole number > 0", o.draws);
  require_option(o.scale >= 0 && std::isfinite(o.scale), "it.scale", "a number >= 0", o.scale);
  require_option(std::isfinite(o.loc), "it.loc", "a number", o.loc);
}

InformationLikelihood::InformationLikelihood(const GaussianMixture& gaussian, double sigma_min,
                                             double sigma_max, const InformationOptions& options)
    : gaussian_(gaussian),
      sigma_min_(sigma_min),
      sigma_max_(sigma_max),
      draws_(options.draws),
      density_(make_density(gaussian, sigma_min, sigma_max, options)),
      moments_(kVariables) {}

torch::Tensor InformationLikelihood::gaussian_noise_left(const torch::Tensor& sigma) const {
  const auto& variances = gaussian_.variances();
  return (variances / (variances + sigma.square().unsqueeze(1))).mean(1);
}

torch::Tensor InformationLikelihood::controlled_loss(Denoiser& denoiser, const torch::Tensor& x0,
                                                     const torch::Tensor& sigma,
                                                     at::Generator& rng) const {
  const auto level = sigma.to(x0.options());
  const auto noise = torch::randn(x0.sizes(), rng, x0.options());
  const auto denoised = denoiser.denoise(x0 + per_sample(level, x0) * noise, level);
  const auto square = [](const torch::Tensor& t) {
    return t.to(torch::kFloat64).square().flatten(1).sum(1).to(torch::kCPU);
  };
  // n - eps_hat = (D - x_0) / sigma, from the x_0 error: exact also where D is close to x.
  const auto loss = square((denoised - x0) / per_sample(level, x0));
  const auto control = square(noise) - static_cast<double>(gaussian_.dim());
  return loss - gaussian_noise_left(sigma).square() * control;
}

void InformationLikelihood::add(Denoiser& denoiser, const torch::Tensor& x0, at::Generator& rng) {
  const torch::NoGradGuard no_grad;
  const auto d = static_cast<double>(gaussian_.dim());
  const int64_t count = x0.size(0);
  auto excess = torch::zeros({count}, torch::kFloat64);
  for (int64_t k = 0; k < draws_; ++k) {
    const auto uniform = torch::rand({count}, rng, x0.options()).to(torch::kCPU, torch::kFloat64);
    const auto l = density_.quantile((uniform + k) / draws_);
    const auto sigma = (-l / 2).exp();
    const auto loss = controlled_loss(denoiser, x0, sigma, rng);
    excess += 0.5 * (loss - d * gaussian_noise_left(sigma)) / density_.density(l);
  }
  const auto lowest = torch::full({count}, sigma_min_, torch::kFloat64);
  moments_.add(torch::stack({excess / draws_, controlled_loss(denoiser, x0, lowest, rng) / d}, 1));
}

InformationNll InformationLikelihood::estimates() const {
  TORCH_CHECK(moments_.count() > 1, "InformationLikelihood: want at least 2 images, got ",
              moments_.count());
  const auto d = static_cast<double>(gaussian_.dim());
  InformationNll out{.dim = gaussian_.dim(),
                     .nfe = draws_ + 1,
                     .sigma_min = sigma_min_,
                     .sigma_max = sigma_max_,
                     .loc = density_.loc(),
                     .scale = density_.scale()};
  out.eps_mse = moments_.mean(kLowestMse);
  out.bound = moments_.mean(kExcess);
  out.bound.value += gaussian_entropy(gaussian_, sigma_min_);
  const double matched_less_bound = d / 2 * std::log(out.eps_mse.value);
  out.matched = moments_.combination({1, d / (2 * out.eps_mse.value)});  // linearised logarithm
  out.matched.value = out.bound.value + matched_less_bound;

  const double least_snr = std::pow(sigma_max_, -2);
  out.left_tail = 0.5 * (torch::log1p(gaussian_.variances() * least_snr).sum().item<double>() -
                         d * std::log1p(least_snr));
  out.right_tail_bound = d / 2 * std::log1p(sigma_min_ * sigma_min_);
  out.right_tail_matched = out.right_tail_bound + matched_less_bound;
  return out;
}

}  // namespace halcyon
