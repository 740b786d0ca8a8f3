#include "core/adaptive_noise.h"

#include <numeric>

#include "core/denoising_loss.h"
#include "core/error.h"
#include "core/gaussian_mixture.h"
#include "core/random.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

const auto kDouble = torch::kFloat64;
constexpr int64_t kBins = 4;

AdaptiveNoiseOptions named(NoiseAdaptation adaptive) {
  return {.adaptive = adaptive, .adaptive_bins = kBins, .adaptive_floor = 0.2};
}

/// `steps` steps of one sample in the middle of each bin, with errors by bin and images seen.
template <class F>
AdaptiveNoise taught(const AdaptiveNoiseOptions& options, int steps, F&& error) {
  AdaptiveNoise noise(options);
  const auto middle = (torch::arange(kBins, kDouble) + 0.5) / static_cast<double>(kBins);
  for (int step = 1; step <= steps; ++step) {
    const auto errors = torch::empty({kBins}, kDouble);
    for (int64_t k = 0; k < kBins; ++k) errors[k] = error(k, kBins * step);
    noise.add(middle, errors);
  }
  return noise;
}

AdaptiveNoise informed() {
  return taught(named(NoiseAdaptation::information), 200, [](int64_t k, int64_t) {
    return std::vector{0.9, 0.6, 0.3, 0.001}[static_cast<size_t>(k)];
  });
}

/// The share of draws below quantile q.
double cumulative(const std::vector<double>& rho, double q) {
  double sum = 0;
  for (size_t k = 0; k < rho.size(); ++k) {
    const double width = 1.0 / static_cast<double>(rho.size());
    sum += rho[k] * std::clamp(q - width * static_cast<double>(k), 0.0, width);
  }
  return sum;
}

}  // namespace

TEST_CASE("the density follows the information rate over a floor", "[core][oracle]") {
  const auto rho = informed().density();
  const std::vector<double> rate = {0.9, 0.6, 0.3, 0.001};
  for (size_t k = 0; k < rho.size(); ++k) {
    REQUIRE_THAT(rho[k], WithinRel(0.2 + 0.8 * rate[k] / (1.801 / 4), 1e-10));
  }
}

TEST_CASE("the density follows the divergence that falls as a power, whatever the floors",
          "[core][oracle]") {
  const std::vector<double> floor = {0.95, 0.5, 0.02, 0.3};
  const std::vector<double> excess = {0.3, 0.1, 0.5, 0.0};
  const double power = GENERATE(0.5, 1.0);
  const auto noise =
      taught(named(NoiseAdaptation::divergence), 300, [&](int64_t k, int64_t images) {
        const auto i = static_cast<size_t>(k);
        return floor[i] + excess[i] * std::pow(static_cast<double>(images), -power);
      });
  const auto rho = noise.density();
  for (size_t k = 0; k < rho.size(); ++k) {
    REQUIRE_THAT(rho[k], WithinAbs(0.2 + 0.8 * excess[k] / (0.9 / 4), 1e-8));
  }
}

TEST_CASE("an error that rises or stays leaves the base distribution", "[core][oracle]") {
  const auto noise = taught(named(NoiseAdaptation::divergence), 100,
                            [](int64_t, int64_t images) { return 0.1 + 1e-5 * double(images); });
  for (const double height : noise.density()) REQUIRE(height == 1);
}

TEST_CASE("quantiles are drawn with the density and weigh its inverse", "[core][oracle]") {
  const auto noise = informed();
  const auto rho = noise.density();
  REQUIRE_THAT(std::accumulate(rho.begin(), rho.end(), 0.0), WithinRel(4.0, 1e-12));
  const int64_t n = 100000;
  const auto u = (torch::arange(n, kDouble) + 0.5) / static_cast<double>(n);
  const auto drawn = noise.draw(u);
  for (int64_t i = 0; i < n; i += 997) {
    const double q = drawn.quantile[i].item<double>();
    REQUIRE_THAT(cumulative(rho, q), WithinAbs(u[i].item<double>(), 1e-12));
    const auto bin = static_cast<size_t>(4 * q);
    REQUIRE_THAT(drawn.weight[i].item<double>(), WithinRel(1 / rho[bin], 1e-12));
  }
  // E weight f(quantile) is the mean of f over the base distribution: here the integral of u^2, by
  // the midpoint rule, less exact only in the samples that straddle the edge of a bin.
  const double mean = (drawn.weight * drawn.quantile.square()).mean().item<double>();
  REQUIRE_THAT(mean, WithinAbs(1.0 / 3, 5.0 * kBins / static_cast<double>(n)));
  REQUIRE(drawn.weight.max().item<double>() <= 1 / 0.2);
}

TEST_CASE("without keep_objective the density is part of the objective", "[core][oracle]") {
  auto options = named(NoiseAdaptation::information);
  options.keep_objective = false;
  const auto noise = taught(options, 100, [](int64_t k, int64_t) { return k == 0 ? 1.0 : 0.1; });
  const auto u = torch::rand({64}, kDouble);
  REQUIRE(torch::equal(noise.draw(u).weight, torch::ones({64}, kDouble)));
  REQUIRE_FALSE(torch::allclose(noise.draw(u).quantile, u));
}

TEST_CASE("until each bin may have seen 64 images, and without adaptation, draws are the base's",
          "[core][property]") {
  const auto u = (torch::arange(1000, kDouble) + 0.5) / 1000.0;
  const auto young = taught(named(NoiseAdaptation::information), 63,
                            [](int64_t k, int64_t) { return static_cast<double>(k); });
  REQUIRE(torch::allclose(young.draw(u).quantile, u, 1e-12));
  REQUIRE(torch::equal(young.draw(u).weight, torch::ones({1000}, kDouble)));
  const auto none = taught(named(NoiseAdaptation::none), 100,
                           [](int64_t k, int64_t) { return static_cast<double>(k); });
  REQUIRE(torch::equal(none.draw(u).quantile, u));  // bit for bit
  REQUIRE(none.state().empty());
}

TEST_CASE("an adaptive density goes on from its state bit for bit", "[core][roundtrip]") {
  const auto options = named(GENERATE(NoiseAdaptation::information, NoiseAdaptation::divergence));
  auto rng = make_generator(5, "test");
  AdaptiveNoise whole(options);
  AdaptiveNoise second(options);
  for (int step = 0; step < 60; ++step) {
    if (step == 30) {
      TensorMap copy;
      for (const auto& [name, tensor] : whole.state()) copy[name] = tensor.clone();
      second.load(copy);
    }
    const auto quantile = torch::rand({12}, rng, kDouble);
    const auto error = torch::rand({12}, rng, kDouble) / (step + 1);
    whole.add(quantile, error);
    if (step >= 30) second.add(quantile, error);
  }
  REQUIRE(whole.density() == second.density());
  REQUIRE(whole.density() != std::vector<double>(kBins, 1.0));
}

TEST_CASE("adaptive draws keep the expected loss of the base distribution",
          "[core][oracle][statistical]") {
  // A denoiser of too narrow data: the loss varies over the noise levels and is not at its floor.
  auto rng = make_generator(6, "test");
  const GaussianMixture data(torch::ones({1}), torch::zeros({1, 8}), torch::full({8}, 0.25));
  GaussianMixture model(torch::ones({1}), torch::zeros({1, 8}), torch::full({8}, 0.09));
  PreconditioningOptions preconditioning;
  preconditioning.sigma_data = 0.5;
  LossOptions options;
  options.distribution = GENERATE(SigmaDistribution::lognormal, SigmaDistribution::log_uniform);
  options.weighting = LossWeighting::epsilon;
  const DenoisingScoreMatching objective(options, preconditioning);
  const auto noise = informed();
  const auto base = AdaptiveNoise({});
  const int64_t n = 20000;
  const auto loss = [&](const AdaptiveNoise& levels) {
    const auto x0 = data.sample(n, rng);
    const auto drawn = levels.draw(DenoisingScoreMatching::draw_uniform(n, x0, rng));
    const auto sigma = objective.sigma_at(drawn.quantile, x0);
    return objective.loss(model, x0, sigma, rng).weighted * drawn.weight;
  };
  const auto a = loss(noise);
  const auto b = loss(base);
  const double error = std::sqrt((a.var() + b.var()).item<double>() / static_cast<double>(n));
  REQUIRE_THAT((a.mean() - b.mean()).item<double>(), WithinAbs(0, 5 * error));
}

TEST_CASE("options of the adaptive noise out of range are refused by name", "[core][error]") {
  auto options = named(NoiseAdaptation::information);
  options.adaptive_floor = 0;
  REQUIRE_THROWS_WITH(AdaptiveNoise(options), Contains("loss.adaptive_floor"));
  options.adaptive_floor = 0.5;
  options.adaptive_bins = 1;
  REQUIRE_THROWS_WITH(AdaptiveNoise(options), Contains("loss.adaptive_bins"));
}
