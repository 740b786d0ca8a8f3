#include "samplers/reverse_sde.h"

#include <fmt/format.h>

#include <cmath>

#include "core/error.h"
#include "core/torch.h"
#include "samplers/ancestral.h"
#include "samplers/probability_flow.h"

namespace halcyon {
namespace {

torch::Tensor score_at(Denoiser& denoiser, const torch::Tensor& x, double sigma) {
  return (denoise_at(denoiser, x, sigma) - x) / (sigma * sigma);
}

torch::Tensor norm_of_each(const torch::Tensor& x) {
  return per_sample(x.flatten(1).norm(2, 1), x);
}

std::unique_ptr<Sampler> predictor_of(Predictor predictor) {
  switch (predictor) {
    case Predictor::reverse_sde:
      return std::make_unique<EulerMaruyamaSampler>();
    case Predictor::ancestral:
      return std::make_unique<AncestralSampler>(AncestralStep::euler, /*eta=*/1);
    case Predictor::probability_flow:
      return std::make_unique<EulerSampler>();
  }
  TORCH_CHECK(false, "unreachable");
}

}  // namespace

torch::Tensor EulerMaruyamaSampler::run(Denoiser& denoiser, torch::Tensor x,
                                        const std::vector<double>& sigmas,
                                        NoiseSource& noise) const {
  for (size_t i = 0; i + 1 < sigmas.size(); ++i) {
    const double s = sigmas[i];
    const double u = sigmas[i + 1];
    const double variance = s * s - u * u;
    x = x + variance * score_at(denoiser, x, s);
    if (u > 0) x = x + std::sqrt(variance) * noise.normal_between(x, s, u);
  }
  return x;
}

PredictorCorrectorSampler::PredictorCorrectorSampler(const PredictorCorrectorOptions& options)
    : options_(options) {
  if (!(options.snr > 0) || !std::isfinite(options.snr) || options.corrector_steps < 0) {
    throw ConfigError(
        fmt::format("sampler.pc: want snr > 0 and corrector_steps >= 0, got {} and {}", options.snr,
                    options.corrector_steps));
  }
}

torch::Tensor PredictorCorrectorSampler::corrected(Denoiser& denoiser, torch::Tensor x,
                                                   double sigma, NoiseSource& noise) const {
  for (int64_t k = 0; k < options_.corrector_steps; ++k) {
    const auto s = score_at(denoiser, x, sigma);
    const auto n = noise.normal_like(x);
    const auto epsilon = 2 * (options_.snr * norm_of_each(n) / norm_of_each(s)).square();
    x = x + epsilon * s + (2 * epsilon).sqrt() * n;
  }
  return x;
}

torch::Tensor PredictorCorrectorSampler::run(Denoiser& denoiser, torch::Tensor x,
                                             const std::vector<double>& sigmas,
                                             NoiseSource& noise) const {
  const auto predictor = predictor_of(options_.predictor);
  for (size_t i = 0; i + 1 < sigmas.size(); ++i) {
    x = corrected(denoiser, x, sigmas[i], noise);
    x = predictor->sample(denoiser, x, {sigmas[i], sigmas[i + 1]}, noise);
  }
  return x;
}

}  // namespace halcyon
