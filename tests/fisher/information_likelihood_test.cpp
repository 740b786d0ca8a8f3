#include "fisher/information_likelihood.h"

#include "core/error.h"
#include "core/random.h"
#include "fisher/entropy.h"
#include "tests/fisher/known_laws.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

constexpr double kCleanEntropy = 12.305715288;  // of the two bumps in 16 dimensions, nats

InformationNll measure(Denoiser& denoiser, const GaussianMixture& data,
                       const GaussianMixture& gaussian, double sigma_min, double sigma_max,
                       int64_t images, const InformationOptions& options = {}, int64_t seed = 0) {
  auto rng = make_generator(23, "test", seed);
  InformationLikelihood likelihood(gaussian, sigma_min, sigma_max, options);
  for (const auto& x0 : data.sample(images, rng).split(images / 2)) {
    likelihood.add(denoiser, x0, rng);
  }
  return likelihood.estimates();
}

}  // namespace

TEST_CASE("the information likelihood of a mixture's exact denoiser is its entropy",
          "[fisher][oracle][statistical]") {
  TwoBumps bumps;
  const double sigma_min = 0.01;
  const auto nll = measure(bumps.law, bumps.law, bumps.gaussian(), sigma_min, 50, 20000);
  // The bound has the slack of D(x) = x below sigma_min: d / 2 ln(1 + sigma_min^2 / v).
  const double slack = 8 * std::log1p(sigma_min * sigma_min / TwoBumps::kVariance);
  require_within(nll.bound, kCleanEntropy + slack);
  require_within(nll.matched, kCleanEntropy);
  require_within(nll.eps_mse, bumps.law.mmse(sigma_min) / (16 * sigma_min * sigma_min));
  REQUIRE(nll.bound.count == 20000);
  REQUIRE(nll.bound.standard_error < 0.05);
  REQUIRE(nll.nfe == 9);

  const auto noised = measure(bumps.law, bumps.law, bumps.gaussian(), 1.0, 50, 20000);
  require_within(noised.bound, bumps.law.entropy(1.0));
  require_within(noised.eps_mse, bumps.law.mmse(1.0) / 16);
}

TEST_CASE("the information likelihood does not depend on where noise levels are drawn",
          "[fisher][oracle][statistical]") {
  TwoBumps bumps;
  const double loc = GENERATE(-4.0, 2.0);
  const double scale = GENERATE(0.7, 3.0);
  const auto nll = measure(bumps.law, bumps.law, bumps.gaussian(), 0.01, 50, 10000,
                           {.draws = 3, .loc = loc, .scale = scale});
  REQUIRE(nll.loc == loc);
  REQUIRE(nll.scale == scale);
  require_within(nll.matched, kCleanEntropy);
}

TEST_CASE("a scaled score costs its Fisher divergence in the information likelihood",
          "[fisher][oracle][statistical]") {
  auto law = four_axes();
  ScaledScore scaled(law, 0.5);
  const auto nll = measure(scaled, law, law, 0.02, 20, 20000);
  // sigma^2 FD = (1 - c)^2 sigma^2 J, and sigma^2 J is the slope of the entropy over ln sigma.
  const double lowest = gaussian_entropy(law, 0.02);
  require_within(nll.bound, lowest + 0.25 * (gaussian_entropy(law, 20) - lowest));
}

TEST_CASE("the parts of the information likelihood add up for a Gaussian", "[fisher][oracle]") {
  auto law = four_axes();
  const auto nll = measure(law, law, law, 0.05, 20, 2000);
  const double low = 1 / 400.0;
  const double high = 400.0;
  const auto v = law.variances();
  const double d_term = 2 * std::log(2 * M_PI * M_E);
  const double middle =
      0.5 * ((torch::log1p(v * high) - torch::log1p(v * low)).sum().item<double>() -
             4 * (std::log1p(high) - std::log1p(low)));
  REQUIRE_THAT(
      nll.left_tail,
      WithinAbs(0.5 * (torch::log1p(v * low).sum().item<double>() - 4 * std::log1p(low)), 1e-10));
  REQUIRE_THAT(nll.right_tail_bound, WithinAbs(2 * std::log1p(1 / high), 1e-10));
  // The true error in closed form: the tails and the middle make the Gaussian's entropy.
  REQUIRE_THAT(d_term + nll.left_tail + middle + nll.right_tail_bound,
               WithinAbs(gaussian_entropy(law, 0.05), 1e-10));
  const double kappa = 4 / (nll.eps_mse.value * 4 * 0.05 * 0.05) - high;
  REQUIRE_THAT(nll.right_tail_matched,
               WithinAbs(-2 * std::log((kappa + high) / (1 + high)), 1e-10));
  REQUIRE_THAT(nll.matched.value - nll.bound.value,
               WithinAbs(nll.right_tail_matched - nll.right_tail_bound, 1e-10));
}

TEST_CASE("the standard error of the information likelihood is its spread over seeds",
          "[fisher][statistical]") {
  TwoBumps bumps;
  const auto gaussian = bumps.gaussian();
  const int64_t runs = 200;
  std::vector<double> values;
  std::vector<double> errors;
  for (int64_t seed = 0; seed < runs; ++seed) {
    const auto nll = measure(bumps.law, bumps.law, gaussian, 0.02, 30, 50, {.draws = 2}, seed);
    values.push_back(nll.bound.value);
    errors.push_back(nll.bound.standard_error);
  }
  const double spread = torch::tensor(values, torch::kFloat64).std().item<double>();
  const double claimed =
      torch::tensor(errors, torch::kFloat64).square().mean().sqrt().item<double>();
  REQUIRE_THAT(claimed / spread, WithinAbs(1, 5 / std::sqrt(2.0 * runs)));
}

TEST_CASE("the errors of both likelihoods know that an image's noise levels hang together",
          "[fisher][statistical]") {
  // D = 0: the error is |x_0|^2 at every level, large for the same images.
  const auto law = four_axes();
  GaussianMixture nothing(torch::ones({1}), torch::zeros({1, 4}), torch::zeros({4}));
  const int64_t runs = 300;
  std::vector<double> bounds, matched, bound_variances, matched_variances;
  for (int64_t seed = 0; seed < runs; ++seed) {
    const auto nll = measure(nothing, law, law, 1.0, 10, 200, {.draws = 4}, seed);
    bounds.push_back(nll.bound.value);
    matched.push_back(nll.matched.value);
    bound_variances.push_back(std::pow(nll.bound.standard_error, 2));
    matched_variances.push_back(std::pow(nll.matched.standard_error, 2));
  }
  const auto ratio = [](const std::vector<double>& values, const std::vector<double>& variances) {
    const auto claimed = torch::tensor(variances, torch::kFloat64).mean().sqrt();
    return (claimed / torch::tensor(values, torch::kFloat64).std()).item<double>();
  };
  REQUIRE_THAT(ratio(bounds, bound_variances), WithinAbs(1, 5 / std::sqrt(2.0 * runs)));
  REQUIRE_THAT(ratio(matched, matched_variances), WithinAbs(1, 5 / std::sqrt(2.0 * runs)));
}

TEST_CASE("the density of log-SNR is a density with its quantiles", "[fisher][property]") {
  const LogSnrDensity density(-8, 10, 1.5, 0.8);
  const auto u = torch::linspace(0, 1, 2001, torch::kFloat64);
  const auto l = density.quantile(u);
  REQUIRE_THAT(l[0].item<double>(), WithinAbs(-8, 1e-10));
  REQUIRE_THAT(l[2000].item<double>(), WithinAbs(10, 1e-10));
  const auto fine = torch::linspace(-8, 10, 200001, torch::kFloat64);
  REQUIRE_THAT(torch::trapezoid(density.density(fine), fine).item<double>(), WithinAbs(1, 1e-8));
  REQUIRE(density.density(fine).min().item<double>() > 0.25 / 18);
  // du / dl by central differences of the quantiles.
  const auto slope = (u.slice(0, 2) - u.slice(0, 0, -2)) / (l.slice(0, 2) - l.slice(0, 0, -2));
  const auto relative = slope / density.density(l.slice(0, 1, -1)) - 1;
  REQUIRE(relative.abs().median().item<double>() < 1e-4);
  REQUIRE_THROWS_AS(LogSnrDensity(0, 1, 2, 1), ConfigError);
  REQUIRE_THROWS_AS(LogSnrDensity(0, 1, 0.5, 0), ConfigError);
}

TEST_CASE("an isotropic Gaussian's information rate is the logistic distribution",
          "[fisher][oracle]") {
  const GaussianMixture gaussian(torch::ones({1}), torch::zeros({1, 3}),
                                 torch::full({3}, 0.25, torch::kFloat64));
  const auto density = information_density(gaussian, -30, 30);
  REQUIRE_THAT(density.loc(), WithinAbs(std::log(4.0), 1e-10));
  REQUIRE_THAT(density.scale(), WithinAbs(1, 1e-10));
}

TEST_CASE("options of the information likelihood out of range are refused", "[fisher][error]") {
  const auto law = four_axes();
  REQUIRE_THROWS_AS(InformationLikelihood(law, 0.1, 10, {.draws = 0}), ConfigError);
  REQUIRE_THROWS_AS(InformationLikelihood(law, 0.1, 10, {.scale = -1}), ConfigError);
  REQUIRE_THROWS_AS(InformationLikelihood(law, 0.1, 10, {.loc = 50, .scale = 1}), ConfigError);
  REQUIRE_THROWS_AS(InformationLikelihood(law, 10, 0.1), ConfigError);
}
