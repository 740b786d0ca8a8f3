#include "fisher/score_divergence.h"

#include <cmath>

#include "core/gaussian_mixture.h"
#include "core/random.h"
#include "fisher/fisher_level.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

GaussianMixture isotropic(double mean, double variance) {
  return {torch::ones({1}), torch::full({1, 4}, mean), torch::full({4}, variance)};
}

}  // namespace

TEST_CASE("the divergence between two Gaussians' scores and its integral are the closed forms",
          "[fisher][oracle][statistical]") {
  const double v1 = 0.25, v2 = 0.5, mu = 0.3, d = 4;
  auto first = isotropic(0, v1);
  auto second = isotropic(mu, v2);
  auto rng = make_generator(41, "test");
  ScoreDivergence divergence(4);
  const auto sigmas = log_spaced_levels(1e-3, 300, 60);
  for (const double sigma : sigmas) {
    divergence.begin_level(sigma);
    const auto level = torch::full({4000}, sigma, torch::kFloat64);
    const auto x0 = first.sample(4000, rng);
    const auto x = x0 + sigma * torch::randn(x0.sizes(), rng, x0.options());
    divergence.add(first.denoise(x, level), second.denoise(x, level));
  }
  for (const auto& level : divergence.levels()) {
    const double a1 = v1 + level.sigma * level.sigma;
    const double a2 = v2 + level.sigma * level.sigma;
    const double exact = d * (a1 * std::pow(1 / a2 - 1 / a1, 2) + mu * mu / (a2 * a2));
    INFO("sigma " << level.sigma);
    REQUIRE(std::abs(level.fisher_divergence.value - exact) <
            5 * level.fisher_divergence.standard_error);
    REQUIRE_THAT(level.fraction.value,
                 WithinRel(level.sigma * level.sigma * level.fisher_divergence.value / d, 1e-12));
  }
  const double kl = d / 2 * (v1 / v2 - 1 + mu * mu / v2 - std::log(v1 / v2));
  const auto nats = divergence.nats();
  INFO(nats.value << " +- " << nats.standard_error << " against " << kl);
  REQUIRE(std::abs(nats.value - kl) < 5 * nats.standard_error);
  REQUIRE(nats.standard_error < 0.02 * kl);
}

TEST_CASE("levels of a divergence rise", "[fisher]") {
  ScoreDivergence divergence(4);
  divergence.begin_level(1);
  REQUIRE_THROWS(divergence.begin_level(1));
}
