#include "samplers/noised_start.h"

#include <cmath>

#include "core/error.h"
#include "core/gaussian_mixture.h"
#include "samplers/registry.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

TEST_CASE("a grid is cut at the level that an image starts from", "[samplers]") {
  const std::vector<double> grid = {80, 10, 2, 0.5, 0};
  REQUIRE(grid_from(grid, 5) == std::vector<double>{5, 2, 0.5, 0});
  REQUIRE(grid_from(grid, 80) == grid);
  REQUIRE(grid_from(grid, 2) == std::vector<double>{2, 0.5, 0});
  REQUIRE(grid_from(grid, 2 * (1 + 1e-12)).size() == 3);
  REQUIRE(grid_from(grid, 0.1) == std::vector<double>{0.1, 0});
  REQUIRE(grid_from({80, 10, 2}, 5) == std::vector<double>{5, 2});
  REQUIRE_THROWS_WITH(grid_from({80, 10, 2}, 1), Contains("start.sigma"));
  for (const double sigma : {0.0, -1.0, 80.1, std::nan("")}) {
    REQUIRE_THROWS_WITH(grid_from(grid, sigma), Contains("start.sigma") && Contains("80"));
  }
}

TEST_CASE("from a noised image, the flow of a Gaussian ends at the law of closed form",
          "[samplers][oracle][statistical]") {
  // x = x0 + S n flows to mu + g (x - mu), g = sqrt((v + u^2) / (v + S^2)): given x0 it is normal,
  // with mean mu + g (x0 - mu) and standard deviation g S.
  const double mu = 0.3, v = 0.25, start = 1.5, end = 0.01;
  GaussianMixture data(torch::ones({1}), torch::full({1, 2}, mu, torch::kFloat64),
                       torch::full({2}, v, torch::kFloat64));
  const auto sampler = make_sampler({.name = "dopri5", .ode = {.tolerance = 1e-10}});
  const int64_t count = 4000;
  const auto x0 = torch::tensor({{1.2, -0.9}}, torch::kFloat64).expand({count, 2});
  const auto grid = grid_from({80, 2, end}, start);
  const auto drawn = draw_samples_from(*sampler, data, x0, grid, /*seed=*/5, /*first=*/0);

  const double gain = std::sqrt((v + end * end) / (v + start * start));
  NoiseSource noise(5, 0, count);
  const auto exact = mu + gain * (x0 + start * noise.normal_like(x0) - mu);
  REQUIRE((drawn - exact).abs().max().item<double>() < 1e-8);

  const auto residual = (drawn - (mu + gain * (x0 - mu))) / (gain * start);
  const auto values = static_cast<double>(residual.numel());
  REQUIRE(std::abs(residual.mean().item<double>()) < 5 / std::sqrt(values));
  REQUIRE(std::abs(residual.var().item<double>() - 1) < 5 * std::sqrt(2 / values));
}

TEST_CASE("an image drawn from a start is the same in any batch", "[samplers][property]") {
  GaussianMixture data(torch::ones({1}), torch::zeros({1, 3}), torch::full({3}, 0.5));
  const auto sampler = make_sampler({.name = "ddpm"});
  const auto x0 = torch::linspace(-1, 1, 12, torch::kFloat64).view({4, 3});
  const std::vector<double> grid = {2, 1, 0.3, 0};
  const auto all = draw_samples_from(*sampler, data, x0, grid, 7, 0);
  const auto last = draw_samples_from(*sampler, data, x0.narrow(0, 2, 2), grid, 7, 2);
  REQUIRE((all.narrow(0, 2, 2) - last).abs().max().item<double>() < 1e-12);
}
