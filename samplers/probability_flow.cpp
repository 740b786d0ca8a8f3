#include "samplers/probability_flow.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "core/runge_kutta.h"
#include "core/torch.h"

namespace halcyon {

torch::Tensor probability_flow_slope(Denoiser& denoiser, const torch::Tensor& x, double sigma) {
  return (x - denoise_at(denoiser, x, sigma)) / sigma;
}

torch::Tensor EulerSampler::run(Denoiser& denoiser, torch::Tensor x,
                                const std::vector<double>& sigmas, NoiseSource&) const {
  for (size_t i = 0; i + 1 < sigmas.size(); ++i) {
    x = x + (sigmas[i + 1] - sigmas[i]) * probability_flow_slope(denoiser, x, sigmas[i]);
  }
  return x;
}

HeunSampler::HeunSampler(const ChurnOptions& churn) : churn_(churn) {
  const bool finite = std::isfinite(churn.s_churn) && std::isfinite(churn.s_noise);
  if (!finite || churn.s_churn < 0 || churn.s_noise <= 0 || !(churn.s_min <= churn.s_max)) {
    throw ConfigError(
        fmt::format("sampler.churn: want s_churn >= 0, s_noise > 0 and s_min <= s_max, got {}, {}, "
                    "{} and {}",
                    churn.s_churn, churn.s_noise, churn.s_min, churn.s_max));
  }
}

torch::Tensor HeunSampler::run(Denoiser& denoiser, torch::Tensor x,
                               const std::vector<double>& sigmas, NoiseSource& noise) const {
  const auto steps = static_cast<double>(sigmas.size() - 1);
  const double gamma_max = std::min(churn_.s_churn / steps, std::numbers::sqrt2 - 1);
  for (size_t i = 0; i + 1 < sigmas.size(); ++i) {
    double sigma = sigmas[i];
    if (gamma_max > 0 && churn_.s_min <= sigma && sigma <= churn_.s_max) {
      const double churned = sigma * (1 + gamma_max);
      const double added = std::sqrt(churned * churned - sigma * sigma);
      x = x + added * churn_.s_noise * noise.normal_like(x);
      sigma = churned;
    }
    const double h = sigmas[i + 1] - sigma;
    const auto d = probability_flow_slope(denoiser, x, sigma);
    const auto euler = x + h * d;
    x = sigmas[i + 1] == 0
            ? euler
            : x + 0.5 * h * (d + probability_flow_slope(denoiser, euler, sigmas[i + 1]));
  }
  return x;
}

torch::Tensor MidpointSampler::run(Denoiser& denoiser, torch::Tensor x,
                                   const std::vector<double>& sigmas, NoiseSource&) const {
  for (size_t i = 0; i + 1 < sigmas.size(); ++i) {
    const double s = sigmas[i];
    const double u = sigmas[i + 1];
    auto d = probability_flow_slope(denoiser, x, s);
    if (u > 0) {
      const double middle = std::sqrt(s) * std::sqrt(u);
      d = probability_flow_slope(denoiser, x + (middle - s) * d, middle);
    }
    x = x + (u - s) * d;
  }
  return x;
}

torch::Tensor Rk4Sampler::run(Denoiser& denoiser, torch::Tensor x,
                              const std::vector<double>& sigmas, NoiseSource&) const {
  const auto slope = [&](double sigma, const torch::Tensor& y) {
    return probability_flow_slope(denoiser, y, sigma);
  };
  for (size_t i = 0; i + 1 < sigmas.size(); ++i) {
    x = sigmas[i + 1] == 0 ? denoise_at(denoiser, x, sigmas[i])
                           : integrate_rk4(slope, x, sigmas[i], sigmas[i + 1], /*steps=*/1);
  }
  return x;
}

}  // namespace halcyon
