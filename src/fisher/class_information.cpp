#include "fisher/class_information.h"

#include "core/torch.h"
#include "fisher/log_sigma_quadrature.h"

namespace halcyon {

ClassInformation::ClassInformation(std::vector<double> sigma, int64_t dim)
    : sigma_(std::move(sigma)),
      weights_(log_sigma_weights(sigma_)),
      dim_(dim),
      moments_(2 * static_cast<int64_t>(sigma_.size())) {
  for (auto& weight : weights_) weight *= static_cast<double>(dim_);
}

void ClassInformation::add(Denoiser& conditional, Denoiser& unconditional, const torch::Tensor& x0,
                           at::Generator& rng) {
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> gaps, falls;
  const auto mean_square = [](const torch::Tensor& t) {
    return t.to(torch::kFloat64).square().flatten(1).mean(1);
  };
  for (const double level : sigma_) {
    const auto x = x0 + level * torch::randn(x0.sizes(), rng, x0.options());
    const auto sigma = torch::full({x.size(0)}, level, x.options());
    const auto with_class = conditional.denoise(x, sigma);
    const auto without = unconditional.denoise(x, sigma);
    // sigma (s(x | c) - s(x)) = (D(x | c) - D(x)) / sigma
    gaps.push_back(mean_square((with_class - without) / level));
    falls.push_back(mean_square((x0 - without) / level) - mean_square((x0 - with_class) / level));
  }
  gaps.insert(gaps.end(), falls.begin(), falls.end());
  moments_.add(torch::stack(gaps, 1));
}

Estimate ClassInformation::gap(size_t level) const {
  return moments_.mean(static_cast<int64_t>(level));
}

Estimate ClassInformation::information() const {
  auto weights = weights_;
  weights.resize(2 * weights_.size());
  return moments_.combination(weights);
}

Estimate ClassInformation::information_of_loss() const {
  std::vector<double> weights(weights_.size());
  weights.insert(weights.end(), weights_.begin(), weights_.end());
  return moments_.combination(weights);
}

}  // namespace halcyon
