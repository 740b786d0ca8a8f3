#include "core/gaussian_mixture.h"

#include "core/random.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

const auto kDouble = torch::kFloat64;

GaussianMixture isotropic(int64_t dim, double variance) {
  return {torch::ones({1}), torch::zeros({1, dim}), torch::full({dim}, variance)};
}

/// 1/2 N(-m u, v I) + 1/2 N(m u, v I), u along the diagonal.
GaussianMixture two_bumps(int64_t dim, double m, double v) {
  const auto u = torch::full({dim}, 1 / std::sqrt(static_cast<double>(dim)), kDouble);
  return {torch::full({2}, 0.5), torch::stack({-m * u, m * u}), torch::full({dim}, v)};
}

}  // namespace

TEST_CASE("Fisher information and mmse of Gaussians match the closed form", "[core][oracle]") {
  const auto gaussian = isotropic(4, 0.25);
  REQUIRE_THAT(gaussian.fisher_information(0.05), WithinRel(15.841584158415842, 1e-12));
  REQUIRE_THAT(gaussian.mmse(0.05), WithinRel(0.0099009900990099, 1e-12));
  const GaussianMixture deficient(torch::ones({1}), torch::zeros({1, 4}),
                                  torch::tensor({4.0, 1.0, 0.25, 0.0}));
  REQUIRE_THAT(deficient.fisher_information(0.5), WithinRel(7.0352941176, 1e-9));
  REQUIRE_THAT(deficient.mmse(0.5), WithinRel(0.5602941176, 1e-9));
}

TEST_CASE("mmse of a sign in Gaussian noise matches published values", "[core][oracle]") {
  // 1 - E tanh(snr + sqrt(snr) Z), in the form without cancellation, by independent quadrature.
  REQUIRE_THAT(sign_mmse(25.0), WithinRel(8.928200429e-07, 1e-9));
  REQUIRE_THAT(sign_mmse(1.0), WithinRel(4.495995092e-01, 1e-9));
  REQUIRE_THAT(sign_mmse(0.01), WithinRel(9.900983752e-01, 1e-9));
  REQUIRE_THAT(sign_mmse(0), WithinRel(1.0, 1e-12));
  REQUIRE(sign_mmse(1e6) == 0);
}

TEST_CASE("Fisher information of a two-component mixture matches the closed form",
          "[core][oracle]") {
  const auto mixture = two_bumps(16, 2.0, 0.25);
  REQUIRE_THAT(mixture.fisher_information(0.05), WithinRel(63.3596373, 1e-8));
  REQUIRE_THAT(mixture.fisher_information(0.5), WithinRel(31.8851799, 1e-8));
  REQUIRE_THAT(mixture.fisher_information(1.0), WithinRel(12.5178863, 1e-8));
  REQUIRE_THAT(mixture.mmse(2.0), WithinRel(5.42542123, 1e-8));
}

TEST_CASE("the exact score is the gradient of the log density", "[core][oracle]") {
  auto rng = make_generator(3, "test");
  const auto basis = std::get<0>(torch::linalg_qr(torch::randn({5, 5}, rng, kDouble)));
  GaussianMixture mixture(torch::tensor({0.2, 0.5, 0.3}, kDouble),
                          torch::randn({3, 5}, rng, kDouble),
                          torch::tensor({1.0, 0.5, 0.1, 0.01, 0.0}, kDouble), basis);
  const auto x = mixture.sample(64, rng).requires_grad_(true);
  const auto sigma = torch::linspace(0.1, 3.0, 64, kDouble);
  const auto gradient = torch::autograd::grad({mixture.log_density(x, sigma).sum()}, {x})[0];
  REQUIRE(torch::allclose(score(mixture, x, sigma), gradient, /*rtol=*/1e-9, /*atol=*/1e-9));
}

TEST_CASE("draws have the mixture's mean and covariance", "[core][oracle][statistical]") {
  auto rng = make_generator(4, "test");
  const int64_t n = 40000;
  const auto x = two_bumps(2, 2.0, 0.25).sample(n, rng);
  // Along the diagonal the variance is m^2 + v, across it v; the sample variance of a law with
  // kurtosis below 3 has relative standard error below sqrt(2 / n).
  const double slack = 5 * std::sqrt(2.0 / n);
  const auto along = (x.select(1, 0) + x.select(1, 1)) / std::sqrt(2.0);
  const auto across = (x.select(1, 0) - x.select(1, 1)) / std::sqrt(2.0);
  REQUIRE_THAT(along.var().item<double>(), WithinRel(4.25, slack));
  REQUIRE_THAT(across.var().item<double>(), WithinRel(0.25, slack));
  REQUIRE_THAT(along.mean().item<double>(), WithinAbs(0, 5 * std::sqrt(4.25 / n)));
}

TEST_CASE("the fitted Gaussian has the samples' mean and covariance", "[core][oracle]") {
  auto rng = make_generator(5, "test");
  const auto x = torch::randn({50, 3}, rng, kDouble).matmul(torch::randn({3, 3}, rng, kDouble)) + 2;
  auto fitted = fit_gaussian(x);
  // tr (Cov + s^2 I)^-1 by inverting, and the Wiener filter by solving.
  const auto total = torch::cov(x.t()) + 0.25 * torch::eye(3, kDouble);
  REQUIRE_THAT(fitted.fisher_information(0.5),
               WithinRel(torch::linalg_inv(total).trace().item<double>(), 1e-10));
  const auto centred = x - x.mean(0);
  const auto wiener = x - 0.25 * torch::linalg_inv(total).matmul(centred.t()).t();
  REQUIRE(torch::allclose(fitted.denoise(x, torch::full({50}, 0.5, kDouble)), wiener, 1e-10));
}
