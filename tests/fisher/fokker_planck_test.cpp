#include "fisher/fokker_planck.h"

#include "core/random.h"
#include "tests/fisher/gaussian_fields.h"
#include "tests/fisher/known_laws.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

TEST_CASE("the score of a mixture obeys its Fokker-Planck equation, a perturbed one does not",
          "[fisher][oracle]") {
  auto rng = make_generator(1, "test");
  auto data = two_bumps();
  const auto residual_of = [&](Denoiser& denoiser) {
    const auto x = noisy(data, 20, 0.6, rng);
    return score_fokker_planck_residual(denoiser, x, 0.6).abs().max().item<double>();
  };
  REQUIRE(residual_of(data) < 1e-9);
  ScaledScore scaled(data, 0.9);
  REQUIRE(residual_of(scaled) > 0.01);
}

TEST_CASE("the Fokker-Planck residual of a scaled Gaussian score is that of the closed form",
          "[fisher][oracle]") {
  // s = -c x / t, t = v + sigma^2: c x / t^2 - c^2 x / t^2.
  GaussianMixture data(torch::ones({1}), torch::zeros({1, 3}), torch::full({3}, 0.25));
  ScaledScore scaled(data, 0.8);
  auto rng = make_generator(2, "test");
  const auto x = noisy(data, 5, 0.5, rng);
  const auto exact = 0.8 * (1 - 0.8) / std::pow(0.5, 2) * x;
  const auto residual = score_fokker_planck_residual(scaled, x, 0.5);
  REQUIRE((residual - exact).abs().max().item<double>() < 1e-9);
}

TEST_CASE("the trace of the Jacobian changes over noise levels as the heat equation wants",
          "[fisher][oracle][statistical]") {
  auto data = two_bumps();
  RotatedScore rotated(data, 2);
  for (const bool perturbed : {false, true}) {
    Denoiser& denoiser = perturbed ? static_cast<Denoiser&>(rotated) : data;
    auto rng = make_generator(3, "test");
    const auto level_at = [&](double sigma) {
      JacobianLevel level(sigma, /*probes=*/2);
      const auto x0 = data.sample(20000, rng);
      level.add(denoiser, x0, torch::randn(x0.sizes(), rng, x0.options()), rng);
      return level;
    };
    const auto residual = heat_flow_residual(level_at(0.9), level_at(1.0));
    INFO(residual.value << " +- " << residual.standard_error);
    REQUIRE((std::abs(residual.value) < 5 * residual.standard_error) == !perturbed);
  }
}

TEST_CASE("the heat-flow residual is of third order in the step of ln sigma", "[fisher][oracle]") {
  GaussianMixture data(torch::ones({1}), torch::zeros({1, 3}), torch::full({3}, 0.25));
  const auto level_at = [&](double sigma) {
    auto rng = make_generator(4, "test");
    JacobianLevel level(sigma, /*probes=*/2);
    const auto x0 = data.sample(4, rng);
    level.add(data, x0, torch::randn(x0.sizes(), rng, x0.options()),
              rng);  // A = 1 / (1 + 4 sigma^2)
    return level;
  };
  const auto residual = [&](double step) {
    return heat_flow_residual(level_at(0.8 * std::exp(-step / 2)),
                              level_at(0.8 * std::exp(step / 2)))
        .value;
  };
  REQUIRE_THAT(std::log2(residual(0.2) / residual(0.1)), WithinAbs(3, 0.05));
  REQUIRE_THAT(std::log2(residual(0.1) / residual(0.05)), WithinAbs(3, 0.02));
}

TEST_CASE("the error of the heat-flow residual is its spread", "[fisher][statistical]") {
  auto data = two_bumps();
  auto rng = make_generator(5, "test");
  const auto level_at = [&](double sigma) {
    JacobianLevel level(sigma, /*probes=*/2);
    const auto x0 = data.sample(300, rng);
    level.add(data, x0, torch::randn(x0.sizes(), rng, x0.options()), rng);
    return level;
  };
  const int runs = 200;
  std::vector<double> values, variances;
  for (int run = 0; run < runs; ++run) {
    const auto residual = heat_flow_residual(level_at(1.9), level_at(2.1));
    values.push_back(residual.value);
    variances.push_back(std::pow(residual.standard_error, 2));
  }
  const double spread = torch::tensor(values, torch::kFloat64).std().item<double>();
  const double claimed = std::sqrt(torch::tensor(variances, torch::kFloat64).mean().item<double>());
  REQUIRE_THAT(claimed / spread, WithinAbs(1, 5 / std::sqrt(2.0 * runs)));
}
