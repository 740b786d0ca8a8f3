#include "fisher/score_divergence.h"

#include "core/torch.h"
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

Estimate ScoreDivergence::nats(Levels levels) const {
  std::vector<Estimate> values;
  for (const auto& moments : moments_) {
    values.push_back(scaled(moments.mean(0), static_cast<double>(dim_)));
  }
  return weighted_sum(log_sigma_weights(sigmas_), values, levels);
}

}  // namespace halcyon
