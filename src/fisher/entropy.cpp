#include "fisher/entropy.h"

#include <cmath>
#include <numbers>

#include "core/torch.h"
#include "fisher/log_sigma_quadrature.h"

namespace halcyon {

double gaussian_entropy(const GaussianMixture& gaussian, double sigma) {
  TORCH_CHECK(gaussian.components() == 1, "gaussian_entropy: want one Gaussian, got ",
              gaussian.components());
  const double two_pi_e = 2 * std::numbers::pi * std::numbers::e;
  return 0.5 * (two_pi_e * (gaussian.variances() + sigma * sigma)).log().sum().item<double>();
}

FisherEntropy fisher_entropy(const std::vector<double>& sigma,
                             const std::vector<Estimate>& fisher_info,
                             const GaussianMixture& gaussian) {
  TORCH_CHECK(sigma.size() == fisher_info.size(), "fisher_entropy: ", sigma.size(), " levels and ",
              fisher_info.size(), " values");
  auto weights = log_sigma_weights(sigma);
  FisherEntropy out{.sigma_min = sigma.front(),
                    .sigma_max = sigma.back(),
                    .gaussian_entropy = gaussian_entropy(gaussian, sigma.back())};
  for (size_t k = 0; k < sigma.size(); ++k) {
    weights[k] *= -sigma[k] * sigma[k];  // of J; the entropy falls on the way down
    out.standard_error_bound += std::abs(weights[k]) * fisher_info[k].standard_error;
  }
  out.noised = weighted_sum(weights, fisher_info);
  weights.front() -= sigma.front() * sigma.front() / 2;
  out.clean = weighted_sum(weights, fisher_info);
  out.noised.value += out.gaussian_entropy;
  out.clean.value += out.gaussian_entropy;
  return out;
}

}  // namespace halcyon
