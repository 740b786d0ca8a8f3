#include "fisher/regression_bands.h"

#include <cmath>

#include "core/torch.h"

namespace halcyon {

RegressionBands::RegressionBands(const DenoisingScoreMatching& objective,
                                 ParameterWeighting weighting, double sigma_min, double sigma_max,
                                 int64_t bands)
    : objective_(objective),
      weighting_(weighting),
      sigma_min_(sigma_min),
      sigma_max_(sigma_max),
      bands_(bands) {
  TORCH_CHECK(bands > 0 && 0 < sigma_min && sigma_min < sigma_max, "RegressionBands: want levels");
}

torch::Tensor RegressionBands::sigma_at(const torch::Tensor& u, const torch::Tensor& like) const {
  if (weighting_ == ParameterWeighting::train) return objective_.sigma_at(u, like);
  return (sigma_min_ * (u * std::log(sigma_max_ / sigma_min_)).exp()).to(like.scalar_type());
}

torch::Tensor RegressionBands::tau_at(const torch::Tensor& sigma) const {
  if (weighting_ == ParameterWeighting::train) {
    return (2 * objective_.weighted(torch::ones_like(sigma), sigma)).rsqrt();
  }
  return sigma / std::sqrt(2 * std::log(sigma_max_ / sigma_min_));
}

std::pair<double, double> RegressionBands::range(int64_t k) const {
  const auto ends = torch::tensor({k, k + 1}, torch::kFloat64) / static_cast<double>(bands_);
  const auto sigma = sigma_at(ends, ends);
  return std::minmax({sigma[0].item<double>(), sigma[1].item<double>()});
}

RegressionBatch RegressionBands::draw(int64_t k, const torch::Tensor& x0,
                                      at::Generator& rng) const {
  const auto within = DenoisingScoreMatching::draw_uniform(x0.size(0), x0, rng);
  const auto sigma = sigma_at((within + k) / static_cast<double>(bands_), x0);
  const auto x = x0 + per_sample(sigma, x0) * torch::randn(x0.sizes(), rng, x0.options());
  return {x0, x, sigma, tau_at(sigma)};
}

}  // namespace halcyon
