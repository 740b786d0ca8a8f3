#include "fisher/class_information.h"

#include <torch/torch.h>

#include "fisher/log_sigma_quadrature.h"

namespace halcyon {

ClassInformation::ClassInformation(std::vector<double> sigma, int64_t dim)
    : sigma_(std::move(sigma)),
      weights_(log_sigma_weights(sigma_)),
      dim_(dim),
      moments_(static_cast<int64_t>(sigma_.size())) {
  for (auto& weight : weights_) weight *= static_cast<double>(dim_);
}

void ClassInformation::add(Denoiser& conditional, Denoiser& unconditional, const torch::Tensor& x0,
                           at::Generator& rng) {
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> gaps;
  for (const double level : sigma_) {
    const auto x = x0 + level * torch::randn(x0.sizes(), rng, x0.options());
    const auto sigma = torch::full({x.size(0)}, level, x.options());
    // sigma (s(x | c) - s(x)) = (D(x | c) - D(x)) / sigma
    const auto difference =
        (conditional.denoise(x, sigma) - unconditional.denoise(x, sigma)) / level;
    gaps.push_back(difference.to(torch::kFloat64).square().flatten(1).mean(1));
  }
  moments_.add(torch::stack(gaps, 1));
}

Estimate ClassInformation::gap(size_t level) const {
  return moments_.mean(static_cast<int64_t>(level));
}

Estimate ClassInformation::information() const { return moments_.combination(weights_); }

}  // namespace halcyon
