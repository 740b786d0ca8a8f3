#include "samplers/dpm_solver.h"

#include <cmath>

#include "core/torch.h"

namespace halcyon {
namespace {

/// x at the level u < s if D is constant on the way.
torch::Tensor ddim_step(const torch::Tensor& x, const torch::Tensor& denoised, double s, double u) {
  return denoised + u / s * (x - denoised);
}

}  // namespace

torch::Tensor dpmpp_2s_step(Denoiser& denoiser, const torch::Tensor& x, double s, double middle,
                            double u) {
  const auto first = denoise_at(denoiser, x, s);
  const auto second = denoise_at(denoiser, ddim_step(x, first, s, middle), middle);
  const double half_over_r = 0.5 * std::log(s / u) / std::log(s / middle);
  return ddim_step(x, first + half_over_r * (second - first), s, u);
}

torch::Tensor dpmpp_multistep(const torch::Tensor& x, const EstimateHistory& denoised,
                              const std::vector<double>& sigmas, size_t i, int64_t order) {
  const double s = sigmas[i];
  const double u = sigmas[i + 1];
  if (order == 1) return ddim_step(x, denoised[0], s, u);
  const double h = std::log(s / u);
  if (order == 2) {
    const double half_over_r = 0.5 * h / std::log(sigmas[i - 1] / s);
    return ddim_step(x, denoised[0] + half_over_r * (denoised[0] - denoised[1]), s, u);
  }
  // tau = (lambda_u - lambda) / h: u e^lambda dlambda = -h e^(-h tau) dtau.
  std::vector<double> nodes;
  for (size_t j = 0; j < static_cast<size_t>(order); ++j) {
    nodes.push_back(std::log(sigmas[i - j] / u) / h);
  }
  return u / s * x + h * weighted_sum(interpolation_weights(nodes, h), denoised);
}

torch::Tensor DpmppSingleStepSampler::run(Denoiser& denoiser, torch::Tensor x,
                                          const std::vector<double>& sigmas, NoiseSource&) const {
  for (size_t i = 0; i + 1 < sigmas.size(); ++i) {
    const double s = sigmas[i];
    const double u = sigmas[i + 1];
    x = u == 0 ? denoise_at(denoiser, x, s)
               : dpmpp_2s_step(denoiser, x, s, std::sqrt(s) * std::sqrt(u), u);
  }
  return x;
}

torch::Tensor DpmppMultistepSampler::run(Denoiser& denoiser, torch::Tensor x,
                                         const std::vector<double>& sigmas, NoiseSource&) const {
  EstimateHistory denoised;
  for (size_t i = 0; i + 1 < sigmas.size(); ++i) {
    remember(denoised, denoise_at(denoiser, x, sigmas[i]), order_);
    x = dpmpp_multistep(x, denoised, sigmas, i, order_of_step(order_, i, sigmas));
  }
  return x;
}

}  // namespace halcyon
