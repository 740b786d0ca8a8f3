#include "samplers/ancestral.h"

#include "core/error.h"
#include "core/gaussian_mixture.h"
#include "core/noise_schedule.h"
#include "samplers/registry.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

const auto kDouble = torch::kFloat64;
const std::vector<double> kFewLevels = {20, 6, 2, 0.7, 0.25, 0.1};  // 5 steps

/// eps_mse of the exact denoiser of `law` at the levels given, increasing.
LogSigmaTable eps_mse_of(const GaussianMixture& law, std::vector<double> sigmas) {
  std::sort(sigmas.begin(), sigmas.end());
  std::vector<LogSigmaTable::Point> points;
  for (const double s : sigmas) {
    points.push_back({s, law.mmse(s) / (s * s * static_cast<double>(law.dim()))});
  }
  return LogSigmaTable(points);
}

GaussianMixture isotropic(double mean, double variance, int64_t dim) {
  return {torch::ones({1}), torch::full({1, dim}, mean, kDouble),
          torch::full({dim}, variance, kDouble)};
}

/// T4 of the closed forms: bumps at -2 u and 2 u, of variance 0.25, in 16 dimensions.
GaussianMixture two_bumps() {
  const auto u = torch::full({16}, 0.25, kDouble);
  return {torch::full({2}, 0.5), torch::stack({-2 * u, 2 * u}), torch::full({16}, 0.25)};
}

/// Variance after the steps of `sigmas` of N(mean, v I), whose denoiser shrinks by v / (v + s^2):
/// x <- a x + b + sqrt(added) n.
double final_variance(const DdpmSampler& sampler, double v, const std::vector<double>& sigmas) {
  double variance = v + sigmas[0] * sigmas[0];
  for (size_t i = 0; i + 1 < sigmas.size(); ++i) {
    const double s2 = sigmas[i] * sigmas[i];
    const double r = sigmas[i + 1] * sigmas[i + 1] / s2;
    const double a = r + (1 - r) * v / (v + s2);
    variance = a * a * variance + sampler.variance(sigmas[i], sigmas[i + 1]);
  }
  return variance;
}

}  // namespace

TEST_CASE("the variance given x_0 and Ho et al.'s beta are those of the VP chain",
          "[sampler][oracle]") {
  const VpSchedule schedule({});
  const auto& alpha_bar = schedule.alpha_bar();
  const DdpmSampler posterior(ReverseVariance::posterior);
  const DdpmSampler upper(ReverseVariance::upper);
  for (const size_t t : {1u, 10u, 500u, 999u}) {
    const double now = alpha_bar[t];
    const double next = alpha_bar[t - 1];
    const double beta = 1 - now / next;
    const double s = std::sqrt(1 / now - 1);
    const double u = std::sqrt(1 / next - 1);
    // x = x_t / sqrt(alpha_bar_t), and so the variances of x_(t-1) over alpha_bar_(t-1).
    REQUIRE_THAT(posterior.variance(s, u), WithinRel(beta * (1 - next) / (1 - now) / next, 1e-10));
    REQUIRE_THAT(upper.variance(s, u), WithinRel(beta / next, 1e-10));
  }
}

TEST_CASE("the upper variance is the optimal one of N(0, I) data", "[sampler][oracle]") {
  const auto unit = isotropic(0, 1, 3);
  const DdpmSampler upper(ReverseVariance::upper);
  const DdpmSampler optimal(ReverseVariance::optimal, eps_mse_of(unit, kFewLevels));
  for (size_t i = 0; i + 1 < kFewLevels.size(); ++i) {
    REQUIRE_THAT(optimal.variance(kFewLevels[i], kFewLevels[i + 1]),
                 WithinRel(upper.variance(kFewLevels[i], kFewLevels[i + 1]), 1e-12));
  }
}

TEST_CASE("five steps of the optimal variance keep every marginal of an isotropic Gaussian",
          "[sampler][oracle]") {
  const double v = GENERATE(0.04, 0.25, 3.0);
  const auto law = isotropic(1, v, 2);
  const DdpmSampler optimal(ReverseVariance::optimal, eps_mse_of(law, kFewLevels));
  const DdpmSampler posterior(ReverseVariance::posterior);
  for (size_t last = 1; last < kFewLevels.size(); ++last) {
    const std::vector<double> sigmas(kFewLevels.begin(),
                                     kFewLevels.begin() + static_cast<int64_t>(last) + 1);
    const double exact = v + sigmas.back() * sigmas.back();
    REQUIRE_THAT(final_variance(optimal, v, sigmas), WithinRel(exact, 1e-10));
    REQUIRE(final_variance(posterior, v, sigmas) < exact);
  }
}

TEST_CASE("five DDPM steps draw the variance of their recursion, exact with the optimal one",
          "[sampler][oracle][statistical]") {
  const auto kind =
      GENERATE(ReverseVariance::posterior, ReverseVariance::upper, ReverseVariance::optimal);
  const double v = 0.25;
  auto law = isotropic(1, v, 2000);
  const auto table = eps_mse_of(law, kFewLevels);
  const DdpmSampler sampler(kind, table);
  NoiseSource noise(9, 0, 32);
  const auto unit = noise.normal_like(torch::empty({32, 2000}, kDouble));
  const auto x = 1 + std::sqrt(v + 400) * unit;
  const auto y = sampler.sample(law, x, kFewLevels, noise);
  const double tolerance = 5 * std::sqrt(2.0 / 64000);
  const double exact = v + 0.01;
  const double expected = final_variance(sampler, v, kFewLevels);
  REQUIRE_THAT(y.var().item<double>(), WithinRel(expected, tolerance));
  if (kind == ReverseVariance::optimal) REQUIRE_THAT(expected, WithinRel(exact, 1e-10));
  if (kind == ReverseVariance::posterior) REQUIRE(expected < exact * (1 - 2 * tolerance));
  if (kind == ReverseVariance::upper) REQUIRE(expected > exact * (1 + 2 * tolerance));
}

TEST_CASE("one optimal step from the exact law of x has the total variance of the next level",
          "[sampler][oracle][statistical]") {
  // For any data, by the law of total variance; the posterior variance falls short by
  // (1 - r)^2 mmse.
  auto law = two_bumps();
  const double s = GENERATE(0.7, 2.0, 6.0);
  const double u = 0.4 * s;
  const int64_t count = 20000;
  auto rng = make_generator(31, "test");
  NoiseSource noise(7, 0, count);
  const auto x = law.sample(count, rng) + s * torch::randn({count, 16}, rng, kDouble);
  const double exact = 4 + 16 * (0.25 + u * u);  // E |x_u|^2
  const double missing = std::pow(1 - 0.16, 2) * law.mmse(s);
  for (const auto kind : {ReverseVariance::optimal, ReverseVariance::posterior}) {
    const DdpmSampler sampler(kind, eps_mse_of(law, {s}));
    const auto square = sampler.sample(law, x, {s, u}, noise).square().sum(1);
    const double error = square.std().item<double>() / std::sqrt(static_cast<double>(count));
    const double expected = exact - (kind == ReverseVariance::optimal ? 0 : missing);
    REQUIRE_THAT(square.mean().item<double>(), WithinAbs(expected, 5 * error));
  }
}

TEST_CASE("the optimal variance lies between none of x_0's spread and all of it",
          "[sampler][property]") {
  const DdpmSampler posterior(ReverseVariance::posterior);
  const DdpmSampler wild(ReverseVariance::optimal, LogSigmaTable({{0.1, 1.5}, {1, -0.2}}));
  // Clipped to [0, 1]: at most s^2 - u^2, what an infinitely wide law would have.
  REQUIRE_THAT(wild.variance(0.1, 0.05), WithinRel(0.01 - 0.0025, 1e-12));
  REQUIRE_THAT(wild.variance(1, 0.5), WithinRel(posterior.variance(1, 0.5), 1e-12));
  // Above the table the error of x_0 is constant, not growing with s^2.
  const DdpmSampler low(ReverseVariance::optimal, LogSigmaTable({{2, 0.25}}));
  REQUIRE_THAT(low.variance(100, 50), WithinRel(2500 * 0.75 + 0.75 * 0.75 * 0.25 * 4, 1e-12));
}

TEST_CASE("optimal variance without a Fisher table is refused", "[sampler][error]") {
  SamplerOptions options;
  options.name = "ddpm";
  options.variance = ReverseVariance::optimal;
  REQUIRE_THROWS_AS(make_sampler(options), ConfigError);
  REQUIRE_THROWS_WITH(make_sampler(options),
                      Contains("sampler.variance") && Contains("sampler.fisher"));
  options.eps_mse = LogSigmaTable({{1, 0.5}});
  REQUIRE_NOTHROW(make_sampler(options));
}
