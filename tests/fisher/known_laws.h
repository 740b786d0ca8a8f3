#pragma once

#include <cmath>

#include "core/gaussian_mixture.h"
#include "fisher/sample_moments.h"
#include "tests/support/catch.h"

namespace halcyon::testing {

/// 1/2 N(-2 u, I / 4) + 1/2 N(2 u, I / 4) in 16 dimensions, u = (1, ..., 1) / 4.
struct TwoBumps {
  static constexpr double kHalfDistance = 2;
  static constexpr double kVariance = 0.25;

  TwoBumps()
      : u(torch::full({16}, 0.25, torch::kFloat64)),
        law(torch::full({2}, 0.5), torch::stack({-2 * u, 2 * u}), torch::full({16}, kVariance)) {}

  /// One component: N(2 u, I / 4) for sign 1.
  GaussianMixture bump(double sign) const {
    return {torch::ones({1}), sign * 2 * u.unsqueeze(0), torch::full({16}, kVariance)};
  }

  /// The Gaussian of mean 0 and the covariance of the law, I / 4 + 4 u u^T.
  GaussianMixture gaussian() const {
    auto w = -u;  // the reflection that takes the first axis to u has u as its first column
    w[0] += 1;
    const auto basis = torch::eye(16, torch::kFloat64) - 2 / w.dot(w) * w.outer(w);
    auto variances = torch::full({16}, kVariance, torch::kFloat64);
    variances[0] += 4;
    return {torch::ones({1}), torch::zeros({1, 16}), variances, basis};
  }

  torch::Tensor u;
  GaussianMixture law;
};

/// N(0.3, diag(4, 1, 0.25, 0.01)).
inline GaussianMixture four_axes() {
  return {torch::ones({1}), torch::full({1, 4}, 0.3, torch::kFloat64),
          torch::tensor({4.0, 1.0, 0.25, 0.01}, torch::kFloat64)};
}

/// c s in place of the score s of `truth`.
class ScaledScore final : public Denoiser {
 public:
  ScaledScore(Denoiser& truth, double factor) : truth_(truth), factor_(factor) {}

  torch::Tensor denoise(const torch::Tensor& x, const torch::Tensor& sigma) override {
    return x + factor_ * (truth_.denoise(x, sigma) - x);
  }

 private:
  Denoiser& truth_;
  double factor_;
};

inline void require_within(const Estimate& estimate, double exact, double errors = 5) {
  INFO(estimate.value << " +- " << estimate.standard_error << " against " << exact);
  REQUIRE(estimate.standard_error > 0);
  REQUIRE(std::abs(estimate.value - exact) <= errors * estimate.standard_error);
}

}  // namespace halcyon::testing
