#include "core/error.h"
#include "core/gaussian_mixture.h"
#include "core/noise_grid.h"
#include "samplers/registry.h"
#include "tests/support/catch.h"
#include "tests/support/golden.h"
#include "tests/support/own_coordinates.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

const auto kDouble = torch::kFloat64;
constexpr double kMean = 0.3;
constexpr double kVariance = 0.25;

/// The ideal denoiser of N(0.3, 0.5^2 I) in 16 dimensions, as in the reference files.
GaussianMixture gaussian() {
  return {torch::ones({1}), torch::full({1, 16}, kMean, kDouble), torch::full({16}, kVariance)};
}

TensorMap golden(const std::string& name) {
  return load_golden(std::string(HALCYON_GOLDEN_DIR) + "/samplers/" + name + ".safetensors");
}

SamplerOptions ddim(GridSpacing grid, int64_t steps) {
  return {.name = "ddim", .steps = steps, .grid = grid};
}

torch::Tensor run(const torch::Tensor& x, const std::vector<double>& sigmas) {
  auto exact = gaussian();
  NoiseSource none(1, 0, x.size(0));
  return make_sampler(ddim(GridSpacing::by_sampler, 1))->sample(exact, x, sigmas, none);
}

}  // namespace

TEST_CASE("every process gives in our coordinates what it gives in its own", "[sampler][oracle]") {
  NoiseSource noise(4, 0, 5);
  const auto n = noise.normal_like(torch::empty({5, 16}, kDouble));
  constexpr int64_t kSteps = 28;  // 999 / 27 is whole: the timesteps of vp are met
  for (const auto& entry : noise_process_registry()) {
    const auto process = make_noise_process({.name = entry.name});
    const auto sigmas =
        make_grid(ddim(GridSpacing::process, kSteps),
                  {process->sigma_min(), process->sigma_max(), {.name = entry.name}});
    const auto ours = run(sigmas.front() * n, sigmas);

    // DDIM on x_t: the image and the noise seen at t are put together anew at the next t.
    const double range = process->time_max() - process->time_min();
    const auto at = [&](int64_t i) {
      const double left = 1 - static_cast<double>(i) / (kSteps - 1);
      const std::string name = entry.name;
      // own_coordinates() takes edm's and vp's t in units of their range.
      const bool by_range = name == "edm" || name == "vp";
      return own_coordinates(name, by_range ? left : process->time_min() + range * left);
    };
    auto x_t = at(0).noise * n;
    for (int64_t i = 0; i < kSteps; ++i) {
      const auto [told, a, s] = at(i);
      const auto x0 = (kVariance * a * x_t + s * s * kMean) / (a * a * kVariance + s * s);
      const auto seen = (x_t - a * x0) / s;
      x_t = i + 1 == kSteps ? x0 : at(i + 1).alpha * x0 + at(i + 1).noise * seen;
    }
    INFO(entry.name);
    REQUIRE(torch::allclose(ours, x_t, /*rtol=*/1e-8, /*atol=*/1e-8));
  }
}

TEST_CASE("DDIM on whole timesteps is that of diffusers", "[sampler][golden]") {
  const auto [spacing, name] = GENERATE(table<GridSpacing, std::string>(
      {{GridSpacing::leading, "leading"}, {GridSpacing::trailing, "trailing"}}));
  const auto want = golden("ddim_eta0_" + name + "_20");
  const auto sigmas = make_grid(ddim(spacing, 20), ModelRange());
  const auto x = want.at("x.0").to(kDouble) * std::sqrt(1 + sigmas[0] * sigmas[0]);
  INFO(name);
  REQUIRE(torch::allclose(run(x, sigmas), want.at("x.20").to(kDouble), 1e-5, 1e-5));
}

TEST_CASE("zero terminal SNR ends where diffusers does", "[sampler][golden]") {
  // There the last alpha_bar is 0; here it is held at 1e-9, whose root is the difference to expect.
  const auto want = golden("ddim_vpred_zsnr_trailing_20");
  const VpScheduleOptions vp = {.zero_terminal_snr = true};
  const double held = VpSchedule(vp).alpha_bar().back();
  REQUIRE(held < 2e-9);
  const auto sigmas = make_grid(ddim(GridSpacing::trailing, 20), {0.01, 80, {.vp = vp}});
  const auto x = want.at("x.0").to(kDouble) * std::sqrt(1 + sigmas[0] * sigmas[0]);
  REQUIRE(torch::allclose(run(x, sigmas), want.at("x.20").to(kDouble), 0, 5 * std::sqrt(held)));
}

TEST_CASE("Euler on rectified flow is DDIM on its grid", "[sampler][golden]") {
  // diffusers' own t from its second level on; at the first, t = 1, sigma is infinite.
  const auto want = golden("flowmatch_euler_20");
  const auto t = want.at("sigmas").to(kDouble);
  const auto levels = (t / (1 - t)).slice(0, 1, 21).contiguous();
  const std::vector<double> sigmas(levels.data_ptr<double>(), levels.data_ptr<double>() + 20);
  const auto x = want.at("x.1").to(kDouble) / (1 - t[1]);
  REQUIRE(torch::allclose(run(x, sigmas), want.at("x.20").to(kDouble), 1e-5, 1e-5));

  const auto flow = make_noise_process({.name = "flow"});
  const auto grid = make_grid(ddim(GridSpacing::process, 20),
                              {flow->sigma_min(), flow->sigma_max(), {.name = "flow"}});
  REQUIRE_THAT(grid[19], WithinRel(0.001 / 0.999, 1e-9));  // theirs ends at t = 0.001, as ours
  REQUIRE_THAT(levels[18].item<double>(), WithinRel(grid[19], 1e-5));
}

TEST_CASE("the registry of grids has every spacing under its name", "[sampler]") {
  std::vector<std::string> listed = {"by_sampler"};
  std::vector<std::string> known;
  for (const auto& entry : grid_registry()) {
    listed.emplace_back(entry.name);
    for (const auto& [spacing, name] : enum_names(GridSpacing())) {
      if (spacing == entry.spacing) REQUIRE(std::string(name) == entry.name);
    }
  }
  for (const auto& [spacing, name] : enum_names(GridSpacing())) known.emplace_back(name);
  REQUIRE(listed == known);
}

TEST_CASE("options that a grid does not take are refused", "[sampler][error]") {
  auto options =
      ddim(GENERATE(GridSpacing::leading, GridSpacing::linspace, GridSpacing::trailing), 5);
  options.sigma_max = 10;
  REQUIRE_THROWS_WITH(make_grid(options, ModelRange()), Contains("sigma_max"));
  options = ddim(GridSpacing::file, 5);
  REQUIRE_THROWS_WITH(make_grid(options, ModelRange()), Contains("sampler.grid_file"));
  options.grid_levels = {10, 1, 0.1};
  REQUIRE(make_grid(options, ModelRange()).size() == 6);
  options.sigma_min = 0.01;
  REQUIRE_THROWS_WITH(make_grid(options, ModelRange()), Contains("sigma_min"));
  options = ddim(GridSpacing::karras, 5);
  options.grid_file = "levels.csv";
  REQUIRE_THROWS_WITH(make_grid(options, ModelRange()), Contains("sampler.grid = file"));
}
