#include "samplers/deis.h"

#include <cmath>

#include "core/torch.h"
#include "samplers/multistep.h"
#include "samplers/probability_flow.h"

namespace halcyon {
namespace {

/// int_s^u l_j(ln sigma) dsigma for the levels sigma_i = s, sigma_(i-1), ...
std::vector<double> step_weights(const std::vector<double>& sigmas, size_t i, int64_t order) {
  const double s = sigmas[i];
  const double u = sigmas[i + 1];
  if (order == 1) return {u - s};
  // tau = ln(s / sigma) / h: dsigma = -s h e^(-h tau) dtau.
  const double h = std::log(s / u);
  std::vector<double> nodes;
  for (size_t j = 0; j < static_cast<size_t>(order); ++j) {
    nodes.push_back(std::log(s / sigmas[i - j]) / h);
  }
  auto weights = interpolation_weights(nodes, h);
  for (double& weight : weights) weight *= -s * h;
  return weights;
}

}  // namespace

torch::Tensor DeisSampler::run(Denoiser& denoiser, torch::Tensor x,
                               const std::vector<double>& sigmas, NoiseSource&) const {
  EstimateHistory noise_estimates;
  for (size_t i = 0; i + 1 < sigmas.size(); ++i) {
    remember(noise_estimates, probability_flow_slope(denoiser, x, sigmas[i]), order_);
    const auto weights = step_weights(sigmas, i, order_of_step(order_, i, sigmas));
    x = x + weighted_sum(weights, noise_estimates);
  }
  return x;
}

}  // namespace halcyon
