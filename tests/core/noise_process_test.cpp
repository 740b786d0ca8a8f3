#include "core/noise_process.h"

#include "core/error.h"
#include "core/process_registry.h"
#include "tests/support/catch.h"
#include "tests/support/golden.h"
#include "tests/support/own_coordinates.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

const auto kDouble = torch::kFloat64;

TensorMap golden(const std::string& name) {
  return load_golden(std::string(HALCYON_GOLDEN_DIR) + "/processes/" + name + ".safetensors");
}

torch::Tensor betas(const VpSchedule& schedule) {
  const auto alpha_bar = torch::tensor(schedule.alpha_bar(), kDouble);
  const auto before = torch::cat({torch::ones({1}, kDouble), alpha_bar.slice(0, 0, -1)});
  return 1 - alpha_bar / before;
}

/// sqrt(alpha_bar) of betas that the test writes down.
template <class F>
torch::Tensor signal_of_betas(F&& beta) {
  std::vector<double> values;
  double product = 1;
  for (int t = 0; t < 1000; ++t) values.push_back(std::sqrt(product *= 1 - beta(t)));
  return torch::tensor(values, kDouble);
}

torch::Tensor signal(const VpSchedule& schedule) {
  return torch::tensor(schedule.alpha_bar(), kDouble).sqrt();
}

}  // namespace

TEST_CASE("time() inverts sigma() for every process", "[core][property]") {
  for (const auto& entry : noise_process_registry()) {
    const auto process = make_noise_process({.name = entry.name});
    const auto t = torch::linspace(process->time_min(), process->time_max(), 1001, kDouble);
    const auto sigma = process->sigma(t);
    INFO(entry.name);
    REQUIRE(torch::allclose(process->time(sigma), t, /*rtol=*/1e-10, /*atol=*/1e-9));
    REQUIRE(torch::allclose(process->sigma(process->time(sigma)), sigma, 1e-10, 0));
    REQUIRE(sigma.diff().gt(0).all().item<bool>());
    REQUIRE_THAT(sigma[0].item<double>(), WithinRel(process->sigma_min(), 1e-12));
    REQUIRE_THAT(sigma[-1].item<double>(), WithinRel(process->sigma_max(), 1e-12));
  }
}

TEST_CASE("what lies beyond a process is taken for its end", "[core][property]") {
  for (const auto& entry : noise_process_registry()) {
    const auto process = make_noise_process({.name = entry.name});
    const double first = process->time_min(), last = process->time_max();
    const auto t = torch::tensor({first - 0.5, last + 0.5}, kDouble);
    const auto sigma =
        torch::tensor({0.5 * process->sigma_min(), 2 * process->sigma_max()}, kDouble);
    INFO(entry.name);
    REQUIRE(torch::allclose(process->sigma(t),
                            process->sigma(torch::tensor({first, last}, kDouble)), 1e-12, 0));
    REQUIRE(torch::equal(process->time(sigma), torch::tensor({first, last}, kDouble)));
  }
}

TEST_CASE("every process is the one its paper writes down", "[core][oracle]") {
  for (const auto& entry : noise_process_registry()) {
    const auto process = make_noise_process({.name = entry.name});
    for (const double t : {0.01, 0.1, 0.37, 0.5, 0.9, 0.99}) {
      const auto own = own_coordinates(entry.name, t);
      const auto sigma = torch::tensor(own.sigma(), kDouble);
      INFO(entry.name << " at " << t);
      REQUIRE_THAT(process->scale(sigma).item<double>(), WithinRel(own.alpha, 1e-9));
      REQUIRE_THAT(process->c_noise(sigma).item<double>(), WithinAbs(own.c_noise, 1e-6));
    }
  }
}

TEST_CASE("a process is as exact in float32 as float32 allows", "[core][property]") {
  for (const auto& entry : noise_process_registry()) {
    const auto process = make_noise_process({.name = entry.name});
    const auto t = torch::linspace(process->time_min(), process->time_max(), 101, kDouble);
    const auto sigma = process->sigma(t).to(torch::kFloat32);
    INFO(entry.name);
    REQUIRE(process->scale(sigma).scalar_type() == torch::kFloat32);
    REQUIRE(torch::allclose(process->scale(sigma).to(kDouble), process->scale(sigma.to(kDouble)),
                            /*rtol=*/1e-6, /*atol=*/0));
  }
}

TEST_CASE("the SDEs have the marginals of Song et al.'s code", "[core][golden]") {
  const auto [file, name] = GENERATE(table<std::string, std::string>(
      {{"score_sde_vp", "vp_sde"}, {"score_sde_subvp", "sub_vp"}, {"score_sde_ve", "ve"}}));
  auto options = NoiseProcessOptions{.name = name};
  if (name == "ve") options.sigma_min = 0.01, options.sigma_max = 50;  // theirs, on [0, 1]
  const auto process = make_noise_process(options);
  const auto want = golden(file);
  const auto sigma = process->sigma(want.at("t").to(kDouble));
  const auto alpha = process->scale(sigma);
  const auto x = want.at("x").to(kDouble).flatten(1);
  INFO(name);
  // Their float32: 1 - e^-u, which is the VP variance and the sub-VP deviation, is exact to one
  // unit in the last place of 1.
  const double power = name == "vp_sde" ? 2 : 1;
  REQUIRE(torch::allclose((alpha * sigma).pow(power), want.at("std").to(kDouble).pow(power), 1e-5,
                          1.2e-7));
  REQUIRE(torch::allclose(alpha.unsqueeze(1) * x, want.at("mean").to(kDouble).flatten(1), 1e-5));

  const double variance = process->prior_std() * process->prior_std();
  const auto log_density =
      -0.5 * (x.square().sum(1) / variance + 4 * std::log(2 * M_PI * variance));
  REQUIRE(torch::allclose(log_density, want.at("prior_logp").to(kDouble), 1e-4));
}

TEST_CASE("linear and cosine betas are those of improved DDPM's code", "[core][golden]") {
  const auto want = golden("iddpm_betas");
  const VpSchedule linear({.beta = BetaSchedule::linear});
  REQUIRE(torch::allclose(betas(linear), want.at("linear"), 1e-10, 1e-14));
  const VpSchedule cosine({.beta = BetaSchedule::cosine});
  REQUIRE(torch::allclose(betas(cosine), want.at("cosine"), 1e-10, 1e-14));
}

TEST_CASE("scaled linear and sigmoid betas are as defined", "[core][oracle]") {
  const VpSchedule scaled(
      {.beta = BetaSchedule::scaled_linear, .beta_start = 0.00085, .beta_end = 0.012});
  REQUIRE(torch::allclose(signal(scaled), signal_of_betas([](int t) {
                            const double root =
                                std::sqrt(0.00085) * (1 - t / 999.0) + std::sqrt(0.012) * t / 999.0;
                            return root * root;
                          }),
                          1e-11, 0));
  const VpSchedule sigmoid({.beta = BetaSchedule::sigmoid});
  REQUIRE(torch::allclose(signal(sigmoid), signal_of_betas([](int t) {
                            const double rise = 0.5 + 0.5 * std::tanh(6 * (t / 999.0 - 0.5));
                            return 1e-4 + rise * (0.02 - 1e-4);
                          }),
                          1e-11, 0));
}

TEST_CASE("zero terminal SNR keeps the first step and loses the signal at the last",
          "[core][oracle]") {
  const auto beta = GENERATE(BetaSchedule::linear, BetaSchedule::scaled_linear,
                             BetaSchedule::cosine, BetaSchedule::sigmoid);
  const auto before = signal(VpSchedule({.beta = beta}));
  const VpSchedule schedule({.beta = beta, .zero_terminal_snr = true});
  const auto after = signal(schedule);
  const auto first = before[0];
  const auto want = (before - before[-1]) * first / (first - before[-1]);  // Lin et al.: 0 at T - 1
  REQUIRE(torch::allclose(after.slice(0, 0, -1), want.slice(0, 0, -1), 1e-9, 0));
  const double next = after[-2].square().item<double>();
  REQUIRE_THAT(schedule.alpha_bar().back(), WithinRel(std::min(0x1p-24, next / 4), 1e-9));
  REQUIRE(schedule.sigma_max() >= 4095);
  REQUIRE(after.diff().lt(0).all().item<bool>());
}

TEST_CASE("training visits t evenly", "[core][oracle]") {
  const auto u = (torch::arange(5000, kDouble) + 0.5) / 5000;
  for (const auto& entry : noise_process_registry()) {
    const auto process = make_noise_process({.name = entry.name});
    const auto t = process->time(process->training_sigma(u));
    const auto range = process->time_max() - process->time_min();
    auto want = process->time_min() + range * u;
    if (std::string(entry.name) == "vp") want = (1000 * u).floor();
    INFO(entry.name);
    REQUIRE(torch::allclose(t, want, 1e-9, 1e-9));
  }
}

TEST_CASE("processes that are none are refused by name", "[core][error]") {
  const auto refuses = [](const NoiseProcessOptions& options, const std::string& what) {
    REQUIRE_THROWS_AS(make_noise_process(options), ConfigError);
    REQUIRE_THROWS_WITH(make_noise_process(options), Contains("preconditioning") && Contains(what));
  };
  refuses({.name = "subvp"}, "'sub_vp'");
  refuses({.name = "ve", .sigma_min = 2, .sigma_max = 1}, "sigma_min < sigma_max");
  refuses({.name = "edm", .sigma_min = -1}, "sigma_min");
  refuses({.name = "flow", .sigma_max = 80}, "flow");
  refuses({.name = "flow", .vp = {.timesteps = 2}}, "increase");
  refuses({.name = "flow", .vp = {.timesteps = 1}}, "timesteps");
  refuses({.name = "vp_sde", .vp = {.timesteps = 1000000}}, "finite");
  refuses({.name = "sub_vp", .vp = {.beta_start = 0}}, "beta_start");
}
