#include "fisher/empirical_floor.h"

#include <cmath>

#include "core/torch.h"

namespace halcyon {

EmpiricalFloor::EmpiricalFloor(double sigma, int64_t dim) : sigma_(sigma), dim_(dim), moments_(1) {}

void EmpiricalFloor::add(Denoiser& memory, const torch::Tensor& x0, const torch::Tensor& noise) {
  TORCH_CHECK(x0[0].numel() == dim_, "EmpiricalFloor: ", x0.sizes(), " for d = ", dim_);
  const torch::NoGradGuard no_grad;
  const auto sigma = torch::full({x0.size(0)}, sigma_, x0.options());
  const auto error = (memory.denoise(x0 + sigma_ * noise, sigma) - x0) / sigma_;
  moments_.add(error.flatten(1).to(torch::kFloat64).square().mean(1, /*keepdim=*/true));
}

Estimate fisher_divergence_bound(const Estimate& held_out_eps_mse, const Estimate& floor) {
  return {held_out_eps_mse.value - floor.value,
          std::hypot(held_out_eps_mse.standard_error, floor.standard_error),
          std::min(held_out_eps_mse.count, floor.count)};
}

}  // namespace halcyon
