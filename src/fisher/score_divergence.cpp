#include "fisher/score_divergence.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "fisher/fisher_estimates.h"

namespace halcyon {

void ScoreDivergence::begin_level(double sigma) {
  TORCH_CHECK(sigmas_.empty() || sigma > sigmas_.back(), "ScoreDivergence: levels want to rise");
  sigmas_.push_back(sigma);
  moments_.emplace_back(1);
}

void ScoreDivergence::add(const torch::Tensor& denoised, const torch::Tensor& other) {
  const auto difference = (denoised - other).flatten(1) / sigmas_.back();
  moments_.back().add(difference.square().mean(1, /*keepdim=*/true, torch::kFloat64));
}

std::vector<ScoreDivergence::Level> ScoreDivergence::levels() const {
  std::vector<Level> levels;
  for (size_t k = 0; k < sigmas_.size(); ++k) {
    const double sigma = sigmas_[k];
    const auto fraction = moments_[k].mean(0);
    levels.push_back(
        {sigma, scaled(fraction, static_cast<double>(dim_) / (sigma * sigma)), fraction});
  }
  return levels;
}

Estimate ScoreDivergence::nats() const {
  std::vector<Estimate> values;
  for (const auto& moments : moments_) {
    values.push_back(scaled(moments.mean(0), static_cast<double>(dim_)));
  }
  return integral_over_log_sigma(sigmas_, values);
}

Estimate integral_over_log_sigma(const std::vector<double>& sigmas,
                                 const std::vector<Estimate>& values) {
  TORCH_CHECK(sigmas.size() == values.size(), "an integral wants as many values as levels");
  Estimate integral;
  double variance = 0;
  for (size_t k = 0; k < sigmas.size(); ++k) {
    const double below = sigmas[k > 0 ? k - 1 : k];
    const double above = sigmas[k + 1 < sigmas.size() ? k + 1 : k];
    const double weight = 0.5 * std::log(above / below);
    integral.value += weight * values[k].value;
    variance += std::pow(weight * values[k].standard_error, 2);
    integral.count += values[k].count;
  }
  integral.standard_error = std::sqrt(variance);
  return integral;
}

}  // namespace halcyon
