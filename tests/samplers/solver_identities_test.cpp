#include "core/error.h"
#include "core/gaussian_mixture.h"
#include "core/runge_kutta.h"
#include "samplers/dpm_solver.h"
#include "samplers/multistep.h"
#include "samplers/probability_flow.h"
#include "samplers/registry.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

const auto kDouble = torch::kFloat64;

/// Three points in the plane, of variance 0.04: a nonlinear score.
GaussianMixture triangle() {
  return {torch::full({3}, 1.0 / 3), torch::tensor({{1.0, 0.0}, {-1.0, 0.5}, {0.0, -1.0}}),
          torch::full({2}, 0.04)};
}

torch::Tensor start(double sigma) {
  NoiseSource noise(5, 0, 16);
  return sigma * noise.normal_like(torch::empty({16, 2}, kDouble));
}

torch::Tensor solve(const Sampler& sampler, const std::vector<double>& sigmas) {
  auto law = triangle();
  NoiseSource noise(6, 0, 16);
  return sampler.sample(law, start(sigmas[0]), sigmas, noise);
}

torch::Tensor solve(const std::string& name, const std::vector<double>& sigmas) {
  SamplerOptions options;
  options.name = name;
  return solve(*make_sampler(options), sigmas);
}

double distance(const torch::Tensor& a, const torch::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

const std::vector<double> kLevels = {20, 7, 3, 1.2, 0.6, 0.25, 0.1, 0};

}  // namespace

TEST_CASE("first-order DPM-Solver++, DDIM and Euler in sigma are one method", "[sampler][oracle]") {
  const auto euler = solve("euler", kLevels);
  REQUIRE(distance(solve("ddim", kLevels), euler) < 1e-10);
  REQUIRE(distance(solve(DpmppMultistepSampler(1), kLevels), euler) < 1e-10);
}

TEST_CASE("Heun without churn is the deterministic one", "[sampler][oracle]") {
  const HeunSampler still({.s_churn = 0});
  REQUIRE(torch::equal(solve(still, kLevels), solve("heun", kLevels)));
}

TEST_CASE("every solver's single step to sigma 0 is the denoiser", "[sampler][oracle]") {
  for (const auto& entry : sampler_registry()) {
    if (entry.stochastic) continue;
    INFO(entry.name);
    REQUIRE(distance(solve(entry.name, {0.7, 0}), solve("euler", {0.7, 0})) < 1e-12);
  }
}

TEST_CASE("the first step of a multistep method is Euler's, and UniPC corrects it",
          "[sampler][oracle]") {
  const std::vector<double> one_step = {2, 1};
  const auto euler = solve("euler", one_step);
  for (const auto* name : {"dpmpp_2m", "dpmpp_3m", "deis_2", "deis_3", "lms", "ipndm", "unipc_1",
                           "unipc_2", "unipc_3"}) {
    INFO(name);
    REQUIRE(distance(solve(name, one_step), euler) < 1e-12);
  }
  REQUIRE(distance(solve("plms", one_step), solve("heun", one_step)) < 1e-12);
}

TEST_CASE(
    "PNDM's first three steps are Runge-Kutta's, and its fourth is over the slopes that the "
    "levels have",
    "[sampler][oracle]") {
  const std::vector<double> three = {2, 1.3, 0.9, 0.6};
  const auto x = solve("rk4", three);
  REQUIRE(distance(solve("pndm", three), x) < 1e-12);
  const std::vector<double> four = {2, 1.3, 0.9, 0.6, 0.45};
  auto law = triangle();
  auto expected = x;
  const std::vector<double> weights = {-9. / 24, 37. / 24, -59. / 24, 55. / 24};
  for (size_t i = 0; i < 4; ++i) {
    const auto at_level =
        i == 0 ? start(four[0])
               : solve("rk4", {four.begin(), four.begin() + 1 + static_cast<int64_t>(i)});
    expected = expected +
               (four[4] - four[3]) * weights[i] * probability_flow_slope(law, at_level, four[i]);
  }
  REQUIRE(distance(solve("pndm", four), expected) < 1e-12);
}

TEST_CASE("interpolation weights integrate polynomials exactly against the exponential",
          "[sampler][oracle]") {
  const std::vector<double> nodes = {0, -0.7, -2.3, -3.1};
  for (const double rate : {0.0, 1e-3, 0.3, 0.999, 1.0, 4.0, 30.0}) {
    const auto weights = interpolation_weights(nodes, rate);
    for (int power = 0; power < 4; ++power) {
      double sum = 0;
      for (size_t j = 0; j < nodes.size(); ++j) sum += weights[j] * std::pow(nodes[j], power);
      const OdeFunction integrand = [&](double t, const torch::Tensor& y) {
        return torch::full_like(y, std::exp(-rate * t) * std::pow(t, power));
      };
      const auto zero = torch::zeros({1, 1}, kDouble);
      const double exact = integrate_rk4(integrand, zero, 0, 1, 2000).item<double>();
      INFO("rate " << rate << ", power " << power);
      REQUIRE_THAT(sum, WithinRel(exact, 1e-10));
    }
  }
}

TEST_CASE("weights of evenly spaced nodes are those of Adams and Bashforth", "[sampler][oracle]") {
  const auto weights = interpolation_weights({0, -1, -2, -3}, 0);
  const std::vector<double> known = {55. / 24, -59. / 24, 37. / 24, -9. / 24};
  for (size_t j = 0; j < 4; ++j) REQUIRE_THAT(weights[j], WithinRel(known[j], 1e-12));
}

TEST_CASE("dopri5 asks for a tolerance in (0, 1)", "[sampler][error]") {
  SamplerOptions options;
  options.name = "dopri5";
  options.ode.tolerance = GENERATE(0.0, -1.0, 1.0, std::nan(""));
  REQUIRE_THROWS_AS(make_sampler(options), ConfigError);
  REQUIRE_THROWS_WITH(make_sampler(options), Contains("sampler.ode.tolerance"));
}
