#include "core/calibrated_denoiser.h"

#include "core/error.h"
#include "core/gaussian_mixture.h"
#include "core/random.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

TEST_CASE("calibration multiplies the score of each sample by c at its own level",
          "[core][oracle]") {
  GaussianMixture data(torch::ones({1}), torch::full({1, 4}, 0.3), torch::full({4}, 0.25));
  const LogSigmaTable table({{0.1, 2.0}, {10, 0.5}});
  CalibratedDenoiser calibrated(data, table);
  auto rng = make_generator(3, "test");
  const auto sigma = torch::tensor({0.01, 1.0, 3.0, 50.0}, torch::kFloat64);
  const auto x = torch::randn({4, 1, 2, 2}, rng, torch::kFloat64);
  const auto expected = per_sample(table.at(sigma), x) * score(data, x, sigma);
  REQUIRE(torch::allclose(score(calibrated, x, sigma), expected, 1e-12));
  REQUIRE_THAT(table.at(1.0), WithinAbs(1.25, 1e-14));  // half way in ln sigma
}

TEST_CASE("a score times 1 / c calibrated by c is the score, and keeps its derivative",
          "[core][oracle]") {
  GaussianMixture data(torch::ones({1}), torch::full({1, 4}, 0.3), torch::full({4}, 0.25));
  CalibratedDenoiser weak(data, LogSigmaTable({{0.1, 0.5}, {1, 0.8}}));
  CalibratedDenoiser mended(weak, LogSigmaTable({{0.1, 1 / 0.5}, {1, 1 / 0.8}}));
  auto rng = make_generator(4, "test");
  const auto sigma = torch::tensor({0.05, 0.1, 1.0, 2.0}, torch::kFloat64);
  const auto x = torch::randn({4, 4}, rng, torch::kFloat64).requires_grad_(true);
  const auto denoised = mended.denoise(x, sigma);
  REQUIRE(torch::allclose(denoised, data.denoise(x, sigma), 1e-12));
  const auto gradient = torch::autograd::grad({denoised.sum()}, {x})[0];
  const auto gain = (0.25 / (0.25 + sigma.square())).unsqueeze(1).expand({4, 4});
  REQUIRE(torch::allclose(gradient, gain, 1e-12));
}

TEST_CASE("a multiplier of the score that is not above 0 is refused", "[core][error]") {
  GaussianMixture data(torch::ones({1}), torch::zeros({1, 4}), torch::ones({4}));
  REQUIRE_THROWS_WITH(CalibratedDenoiser(data, LogSigmaTable({{0.5, 1}, {2, 0}})),
                      Contains("> 0") && Contains("sigma = 2"));
}
