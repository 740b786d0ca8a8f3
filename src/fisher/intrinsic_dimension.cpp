#include "fisher/intrinsic_dimension.h"

#include <algorithm>

#include "core/torch.h"
#include "fisher/denoiser_jacobian.h"

namespace halcyon {
namespace {

torch::Tensor square_norm(const torch::Tensor& v) {
  return v.flatten(1).square().sum(1, /*keepdim=*/false, torch::kFloat64).cpu();
}

torch::Tensor levels(const torch::Tensor& x, double sigma) {
  return torch::full({x.size(0)}, sigma, x.options());
}

}  // namespace

torch::Tensor mmse_dimension(Denoiser& denoiser, const torch::Tensor& x0,
                             const torch::Tensor& noise, double sigma) {
  const torch::NoGradGuard no_grad;
  const auto x = x0 + sigma * noise;
  return square_norm((denoiser.denoise(x, levels(x, sigma)) - x0) / sigma);
}

torch::Tensor flipd(Denoiser& denoiser, const torch::Tensor& x0, double sigma, int64_t probes,
                    at::Generator& rng) {
  const DenoiserJacobian at(denoiser, x0, levels(x0, sigma));
  const auto moved = square_norm((at.denoised() - x0) / sigma);
  if (probes == 0) return moved + at.exact_trace();
  auto trace = torch::zeros_like(moved);
  for (int64_t k = 0; k < probes; ++k) {
    const auto v = rademacher_like(x0, rng);
    trace += (at.vjp(v) * v).flatten(1).sum(1, /*keepdim=*/false, torch::kFloat64).cpu();
  }
  return moved + trace / static_cast<double>(probes);
}

NormalBundle normal_bundle(Denoiser& denoiser, const torch::Tensor& x0, double sigma, int64_t draws,
                           int64_t batch, at::Generator& rng) {
  const torch::NoGradGuard no_grad;
  const int64_t dim = x0.numel();
  TORCH_CHECK(x0.size(0) == 1 && dim > 1, "normal_bundle: want one sample [1, ...], got ",
              x0.sizes());
  TORCH_CHECK(draws >= dim, "normal_bundle: want at least ", dim, " draws, got ", draws);
  auto shape = x0.sizes().vec();
  std::vector<torch::Tensor> directions;  // sigma s, [b, d]
  for (int64_t begin = 0; begin < draws; begin += batch) {
    shape[0] = std::min(batch, draws - begin);
    const auto x = x0 + sigma * torch::randn(shape, rng, x0.options());
    const auto direction = (denoiser.denoise(x, levels(x, sigma)) - x) / sigma;
    directions.push_back(direction.flatten(1).to(torch::kCPU, torch::kFloat64));
  }
  const auto values = torch::linalg_svdvals(torch::cat(directions));
  const auto gaps = values.narrow(0, 0, dim - 1) - values.narrow(0, 1, dim - 1);
  return {dim - (gaps.argmax().item<int64_t>() + 1), values};
}

}  // namespace halcyon
