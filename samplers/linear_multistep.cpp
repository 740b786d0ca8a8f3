#include "samplers/linear_multistep.h"

#include <torch/torch.h>

#include "samplers/probability_flow.h"

namespace halcyon {
namespace {

constexpr int64_t kLevels = 4;

}  // namespace

torch::Tensor LmsSampler::run(Denoiser& denoiser, torch::Tensor x,
                              const std::vector<double>& sigmas, NoiseSource&) const {
  EstimateHistory slopes;
  for (size_t i = 0; i + 1 < sigmas.size(); ++i) {
    remember(slopes, probability_flow_slope(denoiser, x, sigmas[i]), kLevels);
    const double h = sigmas[i + 1] - sigmas[i];
    std::vector<double> nodes;
    for (size_t j = 0; j < slopes.size(); ++j) nodes.push_back((sigmas[i - j] - sigmas[i]) / h);
    x = x + h * weighted_sum(interpolation_weights(nodes, /*rate=*/0), slopes);
  }
  return x;
}

torch::Tensor FixedMultistepSampler::run(Denoiser& denoiser, torch::Tensor x,
                                         const std::vector<double>& sigmas, NoiseSource&) const {
  EstimateHistory slopes;
  for (size_t i = 0; i + 1 < sigmas.size(); ++i) {
    remember(slopes, probability_flow_slope(denoiser, x, sigmas[i]), kLevels);
    const double h = sigmas[i + 1] - sigmas[i];
    if (i == 0 && start_ == MultistepStart::heun && sigmas[1] > 0) {
      const auto end = probability_flow_slope(denoiser, x + h * slopes[0], sigmas[1]);
      x = x + 0.5 * h * (slopes[0] + end);
      continue;
    }
    std::vector<double> nodes;
    for (size_t j = 0; j < slopes.size(); ++j) nodes.push_back(-static_cast<double>(j));
    x = x + h * weighted_sum(interpolation_weights(nodes, /*rate=*/0), slopes);
  }
  return x;
}

}  // namespace halcyon
