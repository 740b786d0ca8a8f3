#include "samplers/linear_multistep.h"

#include "core/torch.h"
#include "samplers/probability_flow.h"

namespace halcyon {
namespace {

constexpr int64_t kLevels = 4;

/// How many steps are not Adams-Bashforth's.
size_t steps_of(MultistepStart start) {
  switch (start) {
    case MultistepStart::euler:  // the Adams-Bashforth method of one level
      return 0;
    case MultistepStart::heun:
      return 1;
    case MultistepStart::runge_kutta:
      return kLevels - 1;
  }
  TORCH_CHECK(false, "unreachable");
}

/// The slope that carries x from s to u > 0; `first` is that at s.
torch::Tensor starting_slope(MultistepStart start, Denoiser& denoiser, const torch::Tensor& x,
                             const torch::Tensor& first, double s, double u) {
  const auto slope_after = [&](const torch::Tensor& slope, double sigma) {
    return probability_flow_slope(denoiser, x + (sigma - s) * slope, sigma);
  };
  if (start == MultistepStart::heun) return 0.5 * (first + slope_after(first, u));
  const double middle = 0.5 * (s + u);
  const auto second = slope_after(first, middle);
  const auto third = slope_after(second, middle);
  return (first + 2 * second + 2 * third + slope_after(third, u)) / 6;
}

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
    if (i < steps_of(start_) && sigmas[i + 1] > 0) {
      x = x + h * starting_slope(start_, denoiser, x, slopes[0], sigmas[i], sigmas[i + 1]);
      continue;
    }
    std::vector<double> nodes;
    for (size_t j = 0; j < slopes.size(); ++j) nodes.push_back(-static_cast<double>(j));
    x = x + h * weighted_sum(interpolation_weights(nodes, /*rate=*/0), slopes);
  }
  return x;
}

}  // namespace halcyon
