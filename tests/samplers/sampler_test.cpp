#include "samplers/sampler.h"

#include "core/error.h"
#include "core/gaussian_mixture.h"
#include "core/noise_grid.h"
#include "samplers/registry.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

constexpr double kMean = 1.0;
constexpr double kStd = 0.5;

/// The ideal denoiser of N(1, 0.5^2 I) in `dim` dimensions.
GaussianMixture gaussian(int64_t dim) {
  return {torch::ones({1}), torch::full({1, dim}, kMean), torch::full({dim}, kStd * kStd)};
}

/// `steps` + 1 noise levels, evenly spaced in ln sigma, that do not end at 0.
std::vector<double> log_grid(double from, double to, int steps) {
  std::vector<double> sigmas;
  for (int i = 0; i <= steps; ++i) sigmas.push_back(from * std::pow(to / from, double(i) / steps));
  return sigmas;
}

SamplerOptions named(const std::string& name) {
  SamplerOptions options;
  options.name = name;
  return options;
}

/// Mean and variance of an affine Gaussian recursion x <- a x + b + c n.
struct Moments {
  double mean, variance;
  void step(double a, double b, double c) {
    mean = a * mean + b;
    variance = a * a * variance + c * c;
  }
};

/// D(x; sigma) = gain x + (1 - gain) mean.
double gain(double sigma) { return kStd * kStd / (kStd * kStd + sigma * sigma); }

/// x + h (x - D) / sigma as a x + b.
std::pair<double, double> euler_step(double sigma, double h) {
  const double rate = h / sigma * (1 - gain(sigma));
  return {1 + rate, -rate * kMean};
}

}  // namespace

TEST_CASE("stochastic samplers carry a Gaussian to the Gaussian of their affine recursion",
          "[sampler][oracle][statistical]") {
  const auto sigmas = log_grid(10.0, 0.05, 24);
  Moments moments{0.0, 100.0};
  auto options = named(GENERATE(as<std::string>{}, "ddpm", "edm", "langevin"));
  if (options.name == "ddpm") {
    for (size_t i = 0; i + 1 < sigmas.size(); ++i) {
      // q(x_u | x_s, x_0 = D) of the chain x_s = x_u + sqrt(s^2 - u^2) n, by Bayes' rule.
      const double s2 = sigmas[i] * sigmas[i];
      const double u2 = sigmas[i + 1] * sigmas[i + 1];
      const double on_x = u2 / s2;
      const double g = gain(sigmas[i]);
      moments.step(on_x + (1 - on_x) * g, (1 - on_x) * (1 - g) * kMean,
                   std::sqrt(u2 * (s2 - u2) / s2));
    }
  } else if (options.name == "edm") {
    options.churn = {.s_churn = 8, .s_min = 0.1, .s_max = 5, .s_noise = 1.01};
    for (size_t i = 0; i + 1 < sigmas.size(); ++i) {
      double sigma = sigmas[i];
      if (sigma >= 0.1 && sigma <= 5) {
        const double raised = sigma * (1 + 8.0 / 24);
        moments.step(1, 0, 1.01 * std::sqrt(raised * raised - sigma * sigma));
        sigma = raised;
      }
      const double h = sigmas[i + 1] - sigma;
      const auto [a1, b1] = euler_step(sigma, h);
      const auto [a2, b2] = euler_step(sigmas[i + 1], h);  // slope at the Euler point
      // x + h / 2 (d_1(x) + d_2(a1 x + b1)), where 1 + h d = a x + b.
      moments.step(1 + 0.5 * ((a1 - 1) + (a2 - 1) * a1), 0.5 * (b1 + (a2 - 1) * b1 + b2), 0);
    }
  } else {
    options.langevin = {.step = 0.3, .steps_per_level = 3};
    for (const double sigma : sigmas) {
      const double alpha = 0.3 * sigma * sigma;
      const double pull = 0.5 * alpha / (kStd * kStd + sigma * sigma);
      for (int k = 0; k < 3; ++k) moments.step(1 - pull, pull * kMean, std::sqrt(alpha));
    }
  }

  const int64_t dim = 2000;
  const int64_t count = 32;
  auto denoiser = gaussian(dim);
  NoiseSource noise(9, 0, count);
  const auto x = 10.0 * noise.normal_like(torch::empty({count, dim}, torch::kFloat64));
  const auto y = make_sampler(options)->sample(denoiser, x, sigmas, noise);
  const double n = static_cast<double>(count * dim);
  INFO(options.name);
  REQUIRE_THAT(y.mean().item<double>(),
               WithinAbs(moments.mean, 4 * std::sqrt(moments.variance / n)));
  REQUIRE_THAT(y.var().item<double>(), WithinRel(moments.variance, 4 * std::sqrt(2 / n)));
}

TEST_CASE("every sampler with its own defaults ends within 10 % of the data's variance",
          "[sampler][oracle][statistical]") {
  // The bias of a finite number of steps, not the noise of 16 x 500 numbers (1.6 % at 1 sigma).
  auto denoiser = gaussian(500);
  for (const auto& entry : sampler_registry()) {
    DYNAMIC_SECTION(entry.name) {
      const auto options = named(entry.name);
      const auto y = draw_samples(*make_sampler(options), denoiser, {16, 500},
                                  make_grid(options, ModelRange()), 5, 0);
      REQUIRE_THAT(y.var().item<double>(), WithinRel(kStd * kStd, 0.1));
      REQUIRE_THAT(y.mean().item<double>(), WithinAbs(kMean, 0.02));
    }
  }
}

TEST_CASE("without the step to sigma 0, every sampler ends at the law of the lowest level",
          "[sampler][oracle][statistical]") {
  auto denoiser = gaussian(500);
  const double lowest = 0.5;
  for (const auto& entry : sampler_registry()) {
    DYNAMIC_SECTION(entry.name) {
      auto options = named(entry.name);
      options.sigma_min = lowest;
      options.denoise = false;
      const auto sigmas = make_grid(options, ModelRange());
      REQUIRE_THAT(sigmas.back(), WithinRel(lowest, 1e-9));
      const auto y = draw_samples(*make_sampler(options), denoiser, {16, 500}, sigmas, 5, 0);
      REQUIRE_THAT(y.var().item<double>(), WithinRel(kStd * kStd + lowest * lowest, 0.1));
      REQUIRE_THAT(y.mean().item<double>(), WithinAbs(kMean, 0.03));
    }
  }
}

TEST_CASE("the vp grid is that of the model's own process", "[sampler][oracle]") {
  const VpScheduleOptions cosine = {.beta = BetaSchedule::cosine};
  const VpSchedule schedule(cosine);
  auto options = named("ddpm");
  options.steps = 1000;
  const auto grid =
      make_grid(options, {schedule.sigma_min(), schedule.sigma_max(), {.vp = cosine}});
  const double alpha_bar = schedule.alpha_bar()[500];
  REQUIRE_THAT(grid[999 - 500], WithinRel(std::sqrt(1 / alpha_bar - 1), 1e-8));
}

TEST_CASE("the last step of Langevin to sigma 0 is the denoiser", "[sampler][oracle]") {
  auto denoiser = gaussian(4);
  const auto langevin = make_sampler(named("langevin"));
  auto sigmas = log_grid(5.0, 0.5, 6);
  const auto x = torch::ones({8, 4}, torch::kFloat64);
  NoiseSource once(1, 0, 8);
  const auto noisy = langevin->sample(denoiser, x, sigmas, once);
  sigmas.push_back(0);
  NoiseSource again(1, 0, 8);
  const auto clean = langevin->sample(denoiser, x, sigmas, again);
  REQUIRE(torch::allclose(clean, denoise_at(denoiser, noisy, 0.5), 1e-12));
}

TEST_CASE("samplers cost the evaluations that they say", "[sampler][nfe]") {
  const auto nfe = [](SamplerOptions options) {
    auto ideal = gaussian(2);
    CountingDenoiser counted(ideal);
    const auto sigmas = make_grid(options, ModelRange());
    draw_samples(*make_sampler(options), counted, {4, 2}, sigmas, 7, 0);
    return counted.nfe();
  };
  auto heun = named("heun");
  heun.steps = 18;
  REQUIRE(nfe(heun) == 35);  // EDM's own figure
  REQUIRE(nfe(named("edm")) == 2 * 100 - 1);
  REQUIRE(nfe(named("ddim")) == 100);
  REQUIRE(nfe(named("ddpm")) == 250);
  REQUIRE(nfe(named("langevin")) == 100 * 16 + 1);
}

TEST_CASE("every sampler ends at finite samples that depend on their own stream only",
          "[sampler][property]") {
  auto denoiser = gaussian(2);
  for (const auto& entry : sampler_registry()) {
    DYNAMIC_SECTION(entry.name) {
      const auto options = named(entry.name);
      const auto sampler = make_sampler(options);
      const auto sigmas = make_grid(options, ModelRange());
      const auto whole = draw_samples(*sampler, denoiser, {6, 2}, sigmas, 3, 0);
      const auto part = draw_samples(*sampler, denoiser, {2, 2}, sigmas, 3, 4);
      REQUIRE(torch::isfinite(whole).all().item<bool>());
      // A batch shares the steps that a method finds for itself.
      const bool finds_steps = !entry.stochastic && entry.nfe == 0;
      const double error = finds_steps ? 10 * options.ode.tolerance : 1e-6;
      REQUIRE(torch::allclose(whole.narrow(0, 4, 2), part, 1e-5, error));
      REQUIRE_FALSE(torch::equal(whole, draw_samples(*sampler, denoiser, {6, 2}, sigmas, 4, 0)));
    }
  }
}

TEST_CASE("bad sampler options are refused by name", "[sampler][error]") {
  REQUIRE_THROWS_WITH(make_sampler(named("hune")), Contains("hune") && Contains("'heun'"));
  auto options = named("langevin");
  options.langevin.step = 4;
  REQUIRE_THROWS_AS(make_sampler(options), ConfigError);
  options = named("edm");
  options.churn.s_churn = -1;
  REQUIRE_THROWS_WITH(make_sampler(options), Contains("s_churn"));
  options = named("heun");
  options.steps = -1;
  REQUIRE_THROWS_AS(make_grid(options, ModelRange()), ConfigError);
  options.steps = 5;
  options.rho = 1e300;  // every level the same to rounding
  REQUIRE_THROWS_AS(make_grid(options, ModelRange()), ConfigError);
  options.rho = 7;
  options.steps = 1;
  options.denoise = false;  // and there is no step at all
  REQUIRE_THROWS_WITH(make_grid(options, ModelRange()), Contains("sampler.denoise"));
  options.denoise = true;
  options.sigma_min = 100;
  REQUIRE_THROWS_AS(make_grid(options, ModelRange()), ConfigError);
}
