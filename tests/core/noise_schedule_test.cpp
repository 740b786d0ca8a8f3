#include "core/noise_schedule.h"

#include "core/error.h"
#include "core/noise_grid.h"
#include "core/process_registry.h"
#include "tests/support/catch.h"
#include "tests/support/golden.h"

using namespace halcyon;
using namespace halcyon::testing;

TEST_CASE("VP schedule: time() inverts sigma()", "[core][property]") {
  const VpSchedule schedule({GENERATE(BetaSchedule::linear, BetaSchedule::cosine)});
  const auto t = torch::linspace(0, 999, 4001, torch::kFloat64);
  REQUIRE(torch::allclose(schedule.time(schedule.sigma(t)), t, /*rtol=*/1e-10, /*atol=*/1e-9));
}

TEST_CASE("VP schedule: sigma is the noise-to-signal ratio at whole t", "[core][oracle]") {
  const VpSchedule schedule({GENERATE(BetaSchedule::linear, BetaSchedule::cosine)});
  const auto alpha_bar = torch::tensor(schedule.alpha_bar(), torch::kFloat64);
  const auto sigma = schedule.sigma(torch::arange(1000, torch::kFloat64));
  REQUIRE(torch::allclose(sigma, ((1 - alpha_bar) / alpha_bar).sqrt(), /*rtol=*/1e-9, /*atol=*/0));
}

TEST_CASE("the linear schedule of DDPM ends at its published signal level", "[core][oracle]") {
  const VpSchedule schedule({});
  double log_alpha_bar = 0;
  for (int t = 0; t < 1000; ++t) log_alpha_bar += std::log(1 - (1e-4 + (0.02 - 1e-4) * t / 999));
  REQUIRE_THAT(schedule.alpha_bar().back(), WithinRel(std::exp(log_alpha_bar), 1e-12));
  REQUIRE_THAT(schedule.sigma_min(), WithinRel(std::sqrt(1e-4 / (1 - 1e-4)), 1e-9));
}

TEST_CASE("VP schedules that are none are refused", "[core][error]") {
  REQUIRE_THROWS_AS(VpSchedule({BetaSchedule::linear, 1000, 0.02, 1e-4}), ConfigError);
  REQUIRE_THROWS_AS(VpSchedule({BetaSchedule::linear, 1, 1e-4, 0.02}), ConfigError);
}

TEST_CASE("noise grids decrease strictly from sigma_max to sigma_min and then to 0",
          "[core][property]") {
  const auto steps = GENERATE(1, 2, 18, 200);
  const VpSchedule schedule({});
  const auto grids = {karras_grid(0.002, 80, steps, 7), geometric_grid(0.002, 80, steps),
                      process_grid(schedule, 0.02, 80, steps)};
  for (const auto& grid : grids) {
    REQUIRE(grid.size() == static_cast<size_t>(steps) + 1);
    REQUIRE_THAT(grid.front(), WithinRel(80, 1e-9));
    REQUIRE(grid.back() == 0);
    for (size_t i = 0; i + 1 < grid.size(); ++i) REQUIRE(grid[i] > grid[i + 1]);
  }
}

TEST_CASE("noise grids have the spacing that their names say", "[core][oracle]") {
  const auto karras = karras_grid(0.01, 10, 11, 7);
  REQUIRE_THAT(std::pow(karras[5], 1.0 / 7),
               WithinRel((std::pow(0.01, 1.0 / 7) + std::pow(10, 1.0 / 7)) / 2, 1e-12));
  REQUIRE_THAT(geometric_grid(0.01, 1, 3)[1], WithinRel(0.1, 1e-12));
  const VpSchedule schedule({});
  const auto all = process_grid(schedule, schedule.sigma_min(), schedule.sigma_max(), 1000);
  for (const int t : {0, 1, 500, 998, 999}) {
    const double alpha_bar = schedule.alpha_bar()[static_cast<size_t>(t)];
    REQUIRE_THAT(all[static_cast<size_t>(999 - t)], WithinRel(std::sqrt(1 / alpha_bar - 1), 1e-8));
  }
  REQUIRE_THROWS_AS(karras_grid(1, 0.5, 10, 7), ConfigError);
  REQUIRE_THROWS_AS(geometric_grid(0, 1, 10), ConfigError);
  for (const double rho : {0.0, -1.0, std::nan("")}) {
    REQUIRE_THROWS_WITH(karras_grid(0.01, 10, 11, rho), Contains("sampler.rho: want"));
  }
  REQUIRE_THROWS_WITH(karras_grid(0.01, 10, 11, 1e300), Contains("cannot be told apart"));
}

TEST_CASE("grids are those of k-diffusion", "[core][golden]") {
  const auto want =
      load_golden(std::string(HALCYON_GOLDEN_DIR) + "/processes/kdiff_sigmas.safetensors");
  const auto equals = [&](const std::vector<double>& grid, const char* name) {
    INFO(name);
    REQUIRE(torch::allclose(torch::tensor(grid, torch::kFloat64), want.at(name).to(torch::kFloat64),
                            /*rtol=*/2e-5, /*atol=*/0));
  };
  equals(karras_grid(0.002, 80, 18, 7), "karras");
  equals(geometric_grid(0.002, 80, 18), "exponential");
  const auto sde = make_noise_process({.name = "vp_sde"});
  const auto ours = process_grid(*sde, sde->sigma_min(), sde->sigma_max(), 18);
  // Theirs is the root of e^u - 1, exact to one unit in the last place of 1.
  const auto integral = [](const torch::Tensor& sigma) { return sigma.square().log1p(); };
  REQUIRE(torch::allclose(integral(torch::tensor(ours, torch::kFloat64)),
                          integral(want.at("vp").to(torch::kFloat64)), 1e-5, 1.2e-7));
}

TEST_CASE("timesteps are spaced as diffusers spaces them", "[core][golden]") {
  const auto spaced = [](TimestepSpacing spacing, int64_t timesteps, int64_t steps) {
    return torch::tensor(spaced_timesteps(spacing, timesteps, steps), torch::kFloat64);
  };
  const auto [spacing, name] = GENERATE(table<TimestepSpacing, std::string>(
      {{TimestepSpacing::leading, "leading"}, {TimestepSpacing::trailing, "trailing"}}));
  const auto file = load_golden(std::string(HALCYON_GOLDEN_DIR) + "/samplers/ddim_eta0_" + name +
                                "_20.safetensors");
  REQUIRE(torch::equal(spaced(spacing, 1000, 20), file.at("timesteps")));

  // numpy.linspace(0, 999, 8).round(), and steps that do not divide T
  REQUIRE(spaced_timesteps(TimestepSpacing::linspace, 1000, 8) ==
          std::vector<double>{999, 856, 714, 571, 428, 285, 143, 0});
  REQUIRE(spaced_timesteps(TimestepSpacing::trailing, 1000, 7) ==
          std::vector<double>{999, 856, 713, 570, 428, 285, 142});
  REQUIRE(spaced_timesteps(TimestepSpacing::leading, 1000, 7) ==
          std::vector<double>{852, 710, 568, 426, 284, 142, 0});
  const auto halves = spaced_timesteps(TimestepSpacing::trailing, 1000, 16);  // to even ones
  REQUIRE(std::vector<double>(halves.begin(), halves.begin() + 4) ==
          std::vector<double>{999, 937, 874, 811});
  for (const auto each :
       {TimestepSpacing::leading, TimestepSpacing::linspace, TimestepSpacing::trailing}) {
    REQUIRE(torch::equal(spaced(each, 50, 50), torch::arange(49, -1, -1, torch::kFloat64)));
    REQUIRE_THROWS_WITH(spaced_timesteps(each, 50, 51), Contains("sampler.steps"));
  }
}

TEST_CASE("a grid of timesteps is sigma at whole t", "[core][oracle]") {
  const VpSchedule schedule({});
  const auto grid = timestep_grid(schedule, TimestepSpacing::trailing, 10);
  REQUIRE(grid.size() == 11);
  for (size_t i = 0; i < 10; ++i) {
    const double alpha_bar = schedule.alpha_bar()[999 - 100 * i];
    REQUIRE_THAT(grid[i], WithinRel(std::sqrt(1 / alpha_bar - 1), 1e-8));
  }
  REQUIRE(grid.back() == 0);
}

TEST_CASE("levels are resampled evenly over their index in ln sigma", "[core][oracle]") {
  const std::vector<double> levels = {100, 10, 1, 0.01};
  const auto same = resampled_grid(levels, 0);
  REQUIRE(same == std::vector<double>{100, 10, 1, 0.01, 0});
  REQUIRE(resampled_grid(levels, 4) == same);
  const auto finer = resampled_grid(levels, 7);
  const std::vector<double> want = {100, std::sqrt(1000), 10, std::sqrt(10), 1, 0.1, 0.01, 0};
  REQUIRE(finer.size() == want.size());
  for (size_t i = 0; i < want.size(); ++i) REQUIRE_THAT(finer[i], WithinRel(want[i], 1e-12));
  REQUIRE(resampled_grid(levels, 2) == std::vector<double>{100, 0.01, 0});
  REQUIRE(resampled_grid(levels, 1) == std::vector<double>{100, 0});
  REQUIRE_THROWS_WITH(resampled_grid(levels, -1), Contains("sampler.steps"));
}

TEST_CASE("listed betas are taken one a timestep, and only where they are asked for",
          "[core][error]") {
  VpScheduleOptions options;
  options.timesteps = 2;
  options.betas = {0.1, 0.5};
  REQUIRE_THROWS_WITH(check_options(options), Contains("preconditioning.betas: want none unless"));
  options.beta = BetaSchedule::listed;
  REQUIRE_THAT(VpSchedule(options).alpha_bar()[1], WithinRel(0.45, 1e-14));
  options.timesteps = 3;
  REQUIRE_THROWS_WITH(check_options(options), Contains("one for each of the 3 timesteps"));
  options.betas.push_back(1);
  REQUIRE_THROWS_WITH(check_options(options), Contains("numbers in (0, 1), got 1"));
}
