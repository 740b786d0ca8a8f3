#include "core/posterior_denoiser.h"

#include <cmath>

#include "tests/support/catch.h"
#include "tests/support/gaussian_posterior.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

constexpr int64_t kBatch = 3;

torch::Tensor normal(const std::vector<int64_t>& shape, const char* name) {
  auto rng = make_generator(5, name);
  return torch::randn(shape, rng, torch::kFloat64);
}

torch::Tensor images() { return normal({kBatch, 2, 2, 4}, "images"); }

torch::Tensor at_level(double sigma) { return torch::full({kBatch}, sigma, torch::kFloat64); }

/// The largest distance of D_y from E[x_0 | x, y] over noise levels: both are exact of Gaussians.
double distance(const Gaussian& prior, const LinearOperator& measure, double noise,
                const ResidualWeight& weight) {
  auto inner = prior.denoiser();
  const auto y = measure.apply(normal({1, 2, 2, 4}, "truth"));
  const auto want = posterior(prior, matrix_of(measure), y.flatten(), noise);
  auto exact = want.denoiser();
  auto shape = y.sizes().vec();
  shape[0] = kBatch;
  PosteriorDenoiser restored(inner, measure, y.expand(shape), weight);
  double largest = 0;
  for (const double sigma : {0.02, 0.3, 1.0, 7.0, 80.0}) {
    const auto x = sigma * images();
    const auto difference =
        restored.denoise(x, at_level(sigma)) - exact.denoise(x, at_level(sigma));
    largest = std::max(largest, difference.abs().max().item<double>());
  }
  return largest;
}

}  // namespace

TEST_CASE("with its own covariance, Gaussian data has the exact posterior denoiser",
          "[core][posterior][oracle]") {
  const auto prior = random_gaussian(16, 3);
  for (const auto& [name, measure] : small_operators()) {
    for (const double noise : {0.05, 0.5}) {
      INFO(name << ", noise " << noise);
      CHECK(distance(prior, *measure, noise, GaussianWeight(*measure, prior.covariance, noise)) <
            1e-10);
    }
  }
}

TEST_CASE("the isotropic covariance is exact of isotropic data, whatever the operator",
          "[core][posterior][oracle]") {
  const auto prior = isotropic_gaussian(16, 0.4);
  for (const auto& [name, measure] : small_operators()) {
    for (const double noise : {0.05, 0.5}) {
      INFO(name << ", noise " << noise);
      CHECK(distance(prior, *measure, noise, IsotropicWeight(*measure, 0.4, noise)) < 1e-10);
      // And of no other variance.
      CHECK(distance(prior, *measure, noise, IsotropicWeight(*measure, 1, noise)) > 1e-3);
    }
  }
}

TEST_CASE("without noise, what is lost has no weight and what is certain a finite one",
          "[core][posterior][error]") {
  const BlurOperator wide({1, 8, 8}, 2.5);  // loses most
  const auto residual = normal({kBatch, 1, 8, 8}, "residual");
  CHECK(IsotropicWeight(wide, 0.4, 0).weigh(residual, at_level(0.3)).isfinite().all().item<bool>());
  // A pixel that never varies, and is measured.
  const MaskOperator all(torch::ones({1, 1, 2}, torch::kBool));
  const auto covariance = torch::tensor({{1.0, 0.0}, {0.0, 0.0}}, torch::kFloat64);
  const GaussianWeight certain(all, covariance, 0);
  const auto y = normal({kBatch, 2}, "y");
  CHECK(certain.weigh(y, at_level(0.3)).isfinite().all().item<bool>());
  auto levels = at_level(0.3);
  levels[1] = 0.4;
  CHECK_THROWS_WITH(certain.weigh(y, levels), Contains("one noise level"));
}

TEST_CASE("a weight by the norm is the isotropic one at the expected length",
          "[core][posterior][oracle]") {
  const double noise = 0.3;
  const double variance = 0.4;
  for (const auto& [name, measure] : small_operators()) {
    if (name == "blur") continue;  // its singular values differ
    INFO(name);
    const double sigma = 0.6;
    const double r2 = sigma * sigma * variance / (sigma * sigma + variance);
    const auto s = measure->singular_values(at_level(sigma)).max().item<double>();
    const auto size = static_cast<double>(measure->measurement_size());
    auto residual = measure->apply(images());
    const auto length = residual.flatten(1).norm(2, 1);
    const double expected = std::sqrt(size * (noise * noise + r2 * s * s));
    const IsotropicWeight isotropic(*measure, variance, noise);
    const NormWeight norm(*measure, variance, noise, /*zeta=*/1);
    residual = residual * per_sample(expected / length, residual);
    CHECK(torch::allclose(norm.weigh(residual, at_level(sigma)),
                          isotropic.weigh(residual, at_level(sigma)), 1e-12, 1e-12));
    // Of any other length, it is as if it had that.
    CHECK(torch::allclose(norm.weigh(3 * residual, at_level(sigma)),
                          norm.weigh(residual, at_level(sigma)), 1e-12, 1e-12));
  }
}

TEST_CASE("the likelihood score goes through the denoiser", "[core][posterior][oracle]") {
  // By differences, of two bumps, whose Jacobian depends on x; the weight is held.
  GaussianMixture mixture(torch::full({2}, 0.5),
                          torch::stack({torch::ones({16}), -torch::ones({16})}),
                          torch::full({16}, 0.3));
  const auto operators = small_operators();
  const auto& measure = *operators[1].second;
  const double noise = 0.2;
  const auto y = measure.apply(images());
  const auto x = 0.3 * images().roll(1, 0);
  const auto sigma = at_level(0.8);
  const IsotropicWeight weight(measure, 0.5, noise);
  PosteriorDenoiser restored(mixture, measure, y, weight);
  const auto gradient = (restored.denoise(x, sigma) - mixture.denoise(x, sigma)) / (0.8 * 0.8);
  const auto fit = [&](const torch::Tensor& at) {
    const auto residual = y - measure.apply(mixture.denoise(at, sigma));
    return -0.5 * (residual * weight.weigh(residual, sigma)).flatten(1).sum(1);
  };
  const auto direction = normal({kBatch, 2, 2, 4}, "direction");
  const double h = 1e-5;
  const auto slope = (fit(x + h * direction) - fit(x - h * direction)) / (2 * h);
  CHECK(torch::allclose((gradient * direction).flatten(1).sum(1), slope, 1e-7, 1e-7));
}
