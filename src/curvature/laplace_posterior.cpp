#include "curvature/laplace_posterior.h"

#include <cmath>

#include "core/torch.h"

namespace halcyon {

LaplacePosterior::LaplacePosterior(const Curvature& fisher, int64_t images, std::vector<bool> free)
    : fisher_(fisher), images_(static_cast<double>(images)), free_(std::move(free)) {
  if (free_.empty()) free_.assign(fisher.blocks().size(), true);
  TORCH_CHECK(images > 0 && free_.size() == fisher.blocks().size() && dim() > 0,
              "LaplacePosterior: want images, and something free of each of the blocks");
}

int64_t LaplacePosterior::dim() const {
  int64_t count = 0;
  for (size_t i = 0; i < free_.size(); ++i) {
    if (free_[i]) count += fisher_.blocks()[i].eigenvalues.numel();
  }
  return count;
}

double LaplacePosterior::effective_parameters(double prior) const {
  double sum = 0;
  for (size_t i = 0; i < free_.size(); ++i) {
    if (!free_[i]) continue;
    const auto known = images_ * fisher_.blocks()[i].eigenvalues.to(torch::kFloat64);
    sum += (known / (known + prior)).sum().item<double>();
  }
  return sum;
}

double LaplacePosterior::evidence_prior(const torch::Tensor& theta) const {
  double square = 0;
  for (size_t i = 0; i < free_.size(); ++i) {
    if (!free_[i]) continue;
    square += fisher_.gather(theta, fisher_.blocks()[i])
                  .to(torch::kFloat64)
                  .square()
                  .sum()
                  .item<double>();
  }
  // p |theta|^2 rises with p and gamma(p) falls: bisection in ln p.
  double low = -80, high = 80;
  for (int i = 0; i < 100; ++i) {
    const double middle = 0.5 * (low + high);
    const double prior = std::exp(middle);
    (prior * square < effective_parameters(prior) ? low : high) = middle;
  }
  return std::exp(0.5 * (low + high));
}

torch::Tensor LaplacePosterior::step(const torch::Tensor& z, double prior) const {
  auto free = torch::zeros_like(z);
  for (size_t i = 0; i < free_.size(); ++i) {
    const auto& block = fisher_.blocks()[i];
    if (free_[i]) fisher_.scatter(fisher_.gather(z, block), block, free);
  }
  // (N F + p)^-1/2 = (F + p / N)^-1/2 / N^1/2, block by block: what is not free stays 0.
  return fisher_.inverse_sqrt_matvec(free, prior / images_) / std::sqrt(images_);
}

}  // namespace halcyon
