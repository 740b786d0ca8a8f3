#include "core/noise_process.h"

#include "core/torch.h"

namespace halcyon {

torch::Tensor NoiseProcess::sigma(const torch::Tensor& t) const {
  const auto inside = t.to(torch::kFloat64).clamp(range_.time_min, range_.time_max);
  return sigma_at(inside).to(t.scalar_type());
}

torch::Tensor NoiseProcess::time(const torch::Tensor& sigma) const {
  const auto t = time_at(sigma.to(torch::kFloat64));
  return t.clamp(range_.time_min, range_.time_max).to(sigma.scalar_type());
}

double NoiseProcess::prior_std() const {
  const auto last = torch::tensor(range_.sigma_max, torch::kFloat64);
  return (scale(last) * last).item<double>();
}

torch::Tensor NoiseProcess::training_time(const torch::Tensor& u) const {
  return range_.time_min + (range_.time_max - range_.time_min) * u;
}

}  // namespace halcyon
