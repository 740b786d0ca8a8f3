#include "fisher/divergence_of_step.h"

#include <cmath>

#include "core/torch.h"
#include "curvature/parameter_jacobian.h"

namespace halcyon {
namespace {

/// Half the square of each sample's row, [B, 1] float64.
torch::Tensor half_squares(const torch::Tensor& rows) {
  return 0.5 * rows.flatten(1).to(torch::kCPU, torch::kFloat64).square().sum(1, /*keepdim=*/true);
}

/// Least squares through (ln h, ln kl): rows of kl [n, R] are replicates.
torch::Tensor slopes(const torch::Tensor& log_radius, const torch::Tensor& kl) {
  const auto x = log_radius - log_radius.mean();
  return kl.log().matmul(x) / x.square().sum();
}

/// divergences: [B, R] of each sample at each radius.
Estimate slope_of(const std::vector<double>& radii, const torch::Tensor& divergences) {
  const auto log_radius = torch::tensor(radii, torch::kFloat64).log();
  const int64_t n = divergences.size(0);
  const double whole = slopes(log_radius, divergences.mean(0, /*keepdim=*/true))[0].item<double>();
  const auto without = (divergences.sum(0) - divergences) / static_cast<double>(n - 1);
  const auto spread = slopes(log_radius, without) - whole;
  const auto factor = static_cast<double>(n - 1) / static_cast<double>(n);
  return {whole, std::sqrt(factor * spread.square().sum().item<double>()), n};
}

}  // namespace

StepDivergence step_divergence(Denoiser& denoiser, const ParameterSpace& space,
                               const RegressionBatch& batch, const torch::Tensor& direction,
                               const std::vector<double>& radii) {
  TORCH_CHECK(radii.size() >= 2 && batch.size() >= 2, "step_divergence: want 2 radii and samples");
  const ParameterJacobian jacobian(denoiser, space, batch);
  const auto quadratic = half_squares(jacobian.jvp(direction));
  const torch::NoGradGuard no_grad;
  StepDivergence found;
  found.radii = radii;
  std::vector<torch::Tensor> columns;
  for (const double h : radii) {
    const ScopedStep step(space, h * direction);
    columns.push_back(half_squares(whitened(denoiser, batch) - jacobian.predictions()));
    SampleMoments moments(2);
    moments.add(torch::cat({columns.back(), h * h * quadratic}, 1));
    found.measured.push_back(moments.mean(0));
    found.foretold.push_back(moments.mean(1));
    found.ratio.push_back(moments.ratio({1, 0}, {0, 1}));
  }
  found.slope = slope_of(radii, torch::cat(columns, 1));
  return found;
}

}  // namespace halcyon
