#pragma once

#include <torch/nn/modules/linear.h>

#include "core/denoiser.h"
#include "core/random.h"
#include "core/torch.h"
#include "curvature/parameter_space.h"
#include "curvature/regression.h"

namespace halcyon::testing {

/// D(x) = W x + b in float64, and noisy batches of it: every curvature is known.
struct LinearRegression {
  static constexpr int64_t kDim = 3;

  LinearRegression() {
    torch::manual_seed(3);
    module = torch::nn::Linear(kDim, kDim);
    module->to(torch::kFloat64);
    denoiser.module = module;
  }

  /// x_0 ~ N(0, I), tau_n as drawn from [1/2, 3/2].
  RegressionBatch batch(int64_t count, int64_t index = 0) const {
    auto rng = make_generator(4, "batch", index);
    const auto x0 = torch::randn({count, 1, 1, kDim}, rng, torch::kFloat64);
    const auto sigma = torch::rand({count}, rng, torch::kFloat64) + 0.1;
    const auto tau = torch::rand({count}, rng, torch::kFloat64) + 0.5;
    const auto x = x0 + per_sample(sigma, x0) * torch::randn(x0.sizes(), rng, torch::kFloat64);
    return {x0, x, sigma, tau};
  }

  /// [x; 1] / tau, [B, d + 1].
  static torch::Tensor inputs(const RegressionBatch& batch) {
    const auto flat = batch.x.flatten(1);
    const auto with_one = torch::cat({flat, torch::ones({flat.size(0), 1}, torch::kFloat64)}, 1);
    return with_one / batch.tau.unsqueeze(1);
  }

  /// J of sample n, [d, P]: row o has [x; 1] / tau at the weights W[o, :] and the bias b[o].
  static torch::Tensor jacobian(const RegressionBatch& batch, int64_t n) {
    const auto a = inputs(batch)[n];
    auto rows = torch::zeros({kDim, kDim * kDim + kDim}, torch::kFloat64);
    for (int64_t o = 0; o < kDim; ++o) {
      rows[o].narrow(0, o * kDim, kDim) = a.narrow(0, 0, kDim);
      rows[o][kDim * kDim + o] = a[kDim];
    }
    return rows;
  }

  /// G of a batch, [P, P].
  static torch::Tensor fisher(const RegressionBatch& batch) {
    auto sum = torch::zeros({kDim * kDim + kDim, kDim * kDim + kDim}, torch::kFloat64);
    for (int64_t n = 0; n < batch.size(); ++n) {
      const auto j = jacobian(batch, n);
      sum += j.t().matmul(j);
    }
    return sum / static_cast<double>(batch.size());
  }

  class LinearDenoiser final : public Denoiser {
   public:
    torch::Tensor denoise(const torch::Tensor& x, const torch::Tensor&) override {
      return module->forward(x.flatten(1)).view(x.sizes());
    }
    torch::nn::Linear module{nullptr};
  };

  torch::nn::Linear module{nullptr};
  mutable LinearDenoiser denoiser;
};

}  // namespace halcyon::testing
