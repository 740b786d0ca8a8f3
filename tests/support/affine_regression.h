#pragma once

#include "core/denoiser.h"
#include "core/torch.h"
#include "curvature/curvature_fit.h"
#include "models/layers/linear.h"
#include "tests/support/linear_regression.h"

namespace halcyon::testing {

/// D(x) = W x + b by a layer that taps see: all that is fitted to it is least squares.
class AffineRegression final : public Denoiser {
 public:
  static constexpr int64_t kDim = LinearRegression::kDim;

  AffineRegression() {
    layer->to(torch::kFloat64);
    auto rng = make_generator(5, "weights");
    set(torch::randn({space().dim()}, rng, torch::kFloat64));
  }

  torch::Tensor denoise(const torch::Tensor& x, const torch::Tensor&) override {
    return layer->forward(x.flatten(1)).view(x.sizes());
  }

  ParameterSpace space() const { return ParameterSpace(*layer); }
  torch::Tensor theta() const { return space().flat(space().parameters()).detach(); }
  void set(const torch::Tensor& theta) {
    const torch::NoGradGuard no_grad;
    const auto tensors = space().shaped(theta);
    for (size_t i = 0; i < tensors.size(); ++i) space().parameters()[i].copy_(tensors[i]);
  }

  Curvature curvature(const RegressionBatch& batch, CurvatureKind kind = CurvatureKind::exact) {
    auto rng = make_generator(4, "targets");
    return fit_curvature(
        *this, space(), {.kind = kind, .targets = FisherTargets::every},
        [&](int64_t) { return batch; }, 1, rng);
  }

  /// The theta of the least sum_n w_n |phi_n - x_0n / tau_n|^2, weights w [B].
  static torch::Tensor least_squares(const RegressionBatch& batch, const torch::Tensor& w) {
    const auto a = LinearRegression::inputs(batch);
    const auto t = whitened_target(batch).flatten(1);
    const auto weighted = a * w.unsqueeze(1);
    const auto solution = torch::linalg_solve(a.t().matmul(weighted), weighted.t().matmul(t));
    return torch::cat({solution.narrow(0, 0, kDim).t().flatten(), solution[kDim]});
  }
  static torch::Tensor least_squares(const RegressionBatch& batch) {
    return least_squares(batch, torch::ones({batch.size()}, torch::kFloat64));
  }

  Linear layer{kDim, kDim};
};

/// Both batches as one.
inline RegressionBatch joined(const RegressionBatch& a, const RegressionBatch& b) {
  return {torch::cat({a.x0, b.x0}), torch::cat({a.x, b.x}), torch::cat({a.sigma, b.sigma}),
          torch::cat({a.tau, b.tau})};
}

/// Four images whose inputs and 1 are orthogonal, of lengths in `scale` [3]: F is diagonal.
inline RegressionBatch orthogonal_batch(const torch::Tensor& scale, int64_t seed) {
  const auto signs = torch::tensor({1, 1, 1, -1, 1, -1, 1, -1, -1, -1, -1, 1}, torch::kFloat64);
  const auto x = (signs.view({4, 3}) * scale).view({4, 1, 1, 3});
  auto rng = make_generator(6, "targets", seed);
  const auto tau = torch::full({4}, 0.7, torch::kFloat64);
  return {torch::randn(x.sizes(), rng, torch::kFloat64), x, tau, tau};
}

/// The mean over a batch of the divergence of theta + step from theta, nats.
inline double measured_divergence(Denoiser& denoiser, const ParameterSpace& space,
                                  const RegressionBatch& batch, const torch::Tensor& step) {
  const torch::NoGradGuard no_grad;
  const auto before = whitened(denoiser, batch);
  const ScopedStep scoped(space, step);
  const auto change = whitened(denoiser, batch) - before;
  return 0.5 * change.square().sum().item<double>() / static_cast<double>(batch.size());
}

}  // namespace halcyon::testing
