#include "fisher/ode_likelihood.h"

#include "core/error.h"
#include "core/random.h"
#include "core/runge_kutta.h"
#include "tests/fisher/known_laws.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

torch::Tensor at_level(const torch::Tensor& x, double sigma) {
  return torch::full({x.size(0)}, sigma, torch::kFloat64);
}

/// Of ln p(x; 0.05) on draws from the noised two bumps, by the exact score and divergence.
torch::Tensor log_likelihood_errors(const OdeOptions& options) {
  TwoBumps bumps;
  auto rng = make_generator(31, "test");
  const auto x0 = bumps.law.sample(64, rng);
  const auto x = x0 + 0.05 * torch::randn(x0.sizes(), rng, x0.options());
  // The law itself at the top: what is left is the error of the solver.
  const auto result = ode_likelihood(bumps.law, x, bumps.law, 0.05, 60, options, rng);
  return result.log_likelihood - bumps.law.log_density(x, at_level(x, 0.05));
}

double root_mean_square(const torch::Tensor& x) { return x.square().mean().sqrt().item<double>(); }

}  // namespace

TEST_CASE("the likelihood of the probability-flow ODE by RK4 is of order 4", "[fisher][oracle]") {
  const auto error = [](int64_t steps) {
    return log_likelihood_errors({.steps = steps, .divergence = Divergence::exact}).mean();
  };
  const double at16 = std::abs(error(16).item<double>());
  const double at32 = std::abs(error(32).item<double>());
  const double at64 = std::abs(error(64).item<double>());
  INFO(at16 << " " << at32 << " " << at64);
  REQUIRE(at16 < 0.02);
  REQUIRE_THAT(std::log2(at16 / at32), WithinAbs(4, 0.3));
  REQUIRE_THAT(std::log2(at32 / at64), WithinAbs(4, 0.3));
}

TEST_CASE("the likelihood by dopri5 keeps to its tolerance", "[fisher][oracle]") {
  double last = 1;
  for (const double tolerance : {1e-3, 1e-5, 1e-7}) {
    const double error = root_mean_square(log_likelihood_errors(
        {.solver = OdeSolver::dopri5, .tolerance = tolerance, .divergence = Divergence::exact}));
    INFO("tolerance " << tolerance << " error " << error);
    REQUIRE(error < 100 * tolerance);  // 16 dimensions, some dozen steps
    REQUIRE(error < 0.1 * last);
    last = error;
  }
}

TEST_CASE("a probe of random signs estimates the likelihood without bias",
          "[fisher][oracle][statistical]") {
  TwoBumps bumps;
  auto rng = make_generator(37, "test");
  const auto x = bumps.law.sample(2000, rng) + 0.3 * torch::randn({2000, 16}, rng, torch::kFloat64);
  const auto result = ode_likelihood(bumps.law, x, bumps.law, 0.3, 60, {.steps = 32}, rng);
  SampleMoments error(1);
  error.add((result.log_likelihood - bumps.law.log_density(x, at_level(x, 0.3))).unsqueeze(1));
  require_within(error.mean(0), 0);
  REQUIRE(error.mean(0).standard_error > 0.002);  // the probe does add noise here
  REQUIRE(result.nfe == 4 * 32);
}

TEST_CASE("the likelihood of a scaled score is that of its own flow", "[fisher][oracle]") {
  auto law = four_axes();
  const double c = 0.8;
  ScaledScore scaled(law, c);
  auto rng = make_generator(41, "test");
  const auto x = law.sample(8, rng).view({8, 1, 2, 2});
  const auto result = ode_likelihood(scaled, x, law, 0.1, 20, {.steps = 200}, rng);
  // x - mean grows as (lambda + sigma^2)^(c / 2) along each axis.
  const auto bottom = law.variances() + 0.01;
  const auto top = law.variances() + 400;
  const auto far = 0.3 + (x.flatten(1) - 0.3) * (top / bottom).pow(c / 2);
  const auto exact = law.log_density(far, at_level(far, 20)) + c / 2 * (top / bottom).log().sum();
  REQUIRE(torch::allclose(result.log_likelihood, exact, 0, 1e-6));
}

TEST_CASE("images on a low-rank subspace have the density of their noised law",
          "[fisher][oracle]") {
  auto variances = torch::zeros({64}, torch::kFloat64);
  variances.slice(0, 0, 5) = torch::tensor({16.0, 4.0, 4.0, 1.0, 0.25}, torch::kFloat64);
  auto rng = make_generator(43, "test");
  const auto basis = std::get<0>(torch::linalg_qr(torch::randn({64, 64}, rng, torch::kFloat64)));
  GaussianMixture law(torch::ones({1}), torch::zeros({1, 64}), variances, basis);
  const auto x = law.sample(2, rng).view({2, 1, 8, 8});
  const auto exact = law.log_density(x, at_level(x, 0.05));
  for (const auto solver : {OdeSolver::rk4, OdeSolver::dopri5}) {
    const OdeOptions options{
        .solver = solver, .steps = 64, .tolerance = 1e-6, .divergence = Divergence::exact};
    const auto result = ode_likelihood(law, x, law, 0.05, 60, options, rng);
    REQUIRE(torch::allclose(result.log_likelihood, exact, 0, 1e-3));
  }
}

TEST_CASE("Runge-Kutta methods integrate exp and count their evaluations", "[fisher][oracle]") {
  int64_t calls = 0;
  const OdeFunction f = [&](double t, const torch::Tensor& y) {
    ++calls;
    return y * std::cos(t);
  };
  const auto start = torch::ones({1, 2}, torch::kFloat64);
  const double exact = std::exp(std::sin(2.0));
  const auto rk4 = integrate_rk4(f, start, 0, 2, 400);
  REQUIRE(calls == 1600);
  REQUIRE_THAT(rk4[0][0].item<double>(), WithinAbs(exact, 1e-10));
  const auto adaptive = integrate_dopri5(f, start, 0, 2, 1e-11);
  REQUIRE_THAT(adaptive[0][1].item<double>(), WithinAbs(exact, 1e-9));
  const auto back = integrate_dopri5(f, adaptive, 2, 0, 1e-11);
  REQUIRE_THAT(back[0][0].item<double>(), WithinAbs(1, 1e-9));
}

TEST_CASE("an ODE that leaves the finite numbers stops with an error", "[fisher][error]") {
  const OdeFunction blow_up = [](double, const torch::Tensor& y) { return y.square(); };
  REQUIRE_THROWS_AS(integrate_dopri5(blow_up, torch::ones({1, 1}, torch::kFloat64), 0, 2, 1e-5),
                    NonFiniteError);
  auto law = four_axes();
  auto rng = make_generator(1, "test");
  const auto x = law.sample(2, rng);
  REQUIRE_THROWS_AS(ode_likelihood(law, x, law, 0.1, 10, {.steps = 0}, rng), ConfigError);
  REQUIRE_THROWS_AS(ode_likelihood(law, x, law, 0.1, 10, {.tolerance = 0}, rng), ConfigError);
  REQUIRE_THROWS_AS(ode_likelihood(law, x, law, 10, 0.1, {}, rng), ConfigError);
}
