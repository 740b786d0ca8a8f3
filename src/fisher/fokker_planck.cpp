#include "fisher/fokker_planck.h"

#include <cmath>

#include "core/torch.h"

namespace halcyon {
namespace {

torch::Tensor score_at(Denoiser& denoiser, const torch::Tensor& x, double variance) {
  return score(denoiser, x, torch::full({x.size(0)}, std::sqrt(variance), x.options()));
}

/// grad (tr grad s + |s|^2), shaped as x.
torch::Tensor energy_gradient(Denoiser& denoiser, const torch::Tensor& x, double variance) {
  const torch::AutoGradMode enable(true);
  const auto input = x.detach().requires_grad_(true);
  const auto s = score_at(denoiser, input, variance);
  auto energy = s.square().sum();
  for (int64_t i = 0; i < x[0].numel(); ++i) {
    const auto row = torch::autograd::grad({s.flatten(1).select(1, i).sum()}, {input}, {},
                                           /*retain_graph=*/true, /*create_graph=*/true)[0];
    energy = energy + row.flatten(1).select(1, i).sum();
  }
  return torch::autograd::grad({energy}, {input})[0];
}

}  // namespace

torch::Tensor score_fokker_planck_residual(Denoiser& denoiser, const torch::Tensor& x, double sigma,
                                           double relative_step) {
  const double variance = sigma * sigma;
  const double step = relative_step * variance;
  const auto gradient = energy_gradient(denoiser, x, variance);
  const torch::NoGradGuard no_grad;
  const auto difference = [&](double h) {
    return score_at(denoiser, x, variance + h) - score_at(denoiser, x, variance - h);
  };
  const auto change = (8 * difference(step) - difference(2 * step)) / (12 * step);
  return change - gradient / 2;
}

Estimate heat_flow_residual(const JacobianLevel& low, const JacobianLevel& high) {
  const double step = std::log(high.sigma() / low.sigma());
  const auto end = high.trace_after(-step);
  const auto start = low.trace_after(step);
  return {end.value - start.value, std::hypot(end.standard_error, start.standard_error),
          std::min(end.count, start.count)};
}

}  // namespace halcyon
