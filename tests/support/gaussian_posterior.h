#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/gaussian_mixture.h"
#include "core/linear_operator.h"
#include "core/random.h"
#include "core/torch.h"

namespace halcyon::testing {

/// A Gaussian by its moments: mean [d], covariance [d, d], float64.
struct Gaussian {
  torch::Tensor mean, covariance;

  GaussianMixture denoiser() const {
    const auto [variances, basis] = torch::linalg_eigh(covariance, "L");
    return {torch::ones({1}), mean.unsqueeze(0), variances.clamp_min(0), basis};
  }
};

/// N(mu, C) with random mu, and C of every orientation with variances from 0.1 to about 1.
inline Gaussian random_gaussian(int64_t dim, uint64_t seed) {
  auto rng = make_generator(seed, "covariance");
  const auto factor = torch::randn({dim, dim}, rng, torch::kFloat64);
  return {torch::randn({dim}, rng, torch::kFloat64),
          factor.matmul(factor.t()) / dim + 0.1 * torch::eye(dim, torch::kFloat64)};
}

inline Gaussian isotropic_gaussian(int64_t dim, double variance) {
  return {torch::linspace(-1, 1, dim, torch::kFloat64),
          variance * torch::eye(dim, torch::kFloat64)};
}

/// The matrix of an operator, [m, d].
inline torch::Tensor matrix_of(const LinearOperator& measure) {
  const auto& shape = measure.image_shape();
  const auto dim = shape[0] * shape[1] * shape[2];
  const auto units = torch::eye(dim, torch::kFloat64).reshape({dim, shape[0], shape[1], shape[2]});
  return measure.apply(units).flatten(1).t();
}

/// The law of x_0 given y = A x_0 + S n; y: [m].
inline Gaussian posterior(const Gaussian& prior, const torch::Tensor& a, const torch::Tensor& y,
                          double noise) {
  const auto total = a.matmul(prior.covariance).matmul(a.t()) +
                     noise * noise * torch::eye(a.size(0), torch::kFloat64);
  const auto gain = torch::linalg_inv(total).matmul(a).matmul(prior.covariance).t();  // [d, m]
  return {prior.mean + gain.matmul(y - a.matmul(prior.mean)),
          prior.covariance - gain.matmul(a).matmul(prior.covariance)};
}

using NamedOperator = std::pair<std::string, std::unique_ptr<LinearOperator>>;

/// One operator of every kind, for images of [2, 2, 4].
inline std::vector<NamedOperator> small_operators() {
  const std::vector<int64_t> shape = {2, 2, 4};
  std::vector<NamedOperator> all;
  all.emplace_back("mask",
                   std::make_unique<MaskOperator>((torch::arange(16) % 3 != 1).reshape({2, 2, 4})));
  all.emplace_back("pooling", std::make_unique<PoolingOperator>(shape, 2));
  all.emplace_back("channel mean", std::make_unique<ChannelMeanOperator>(shape));
  all.emplace_back("blur", std::make_unique<BlurOperator>(shape, 0.8));
  return all;
}

}  // namespace halcyon::testing
