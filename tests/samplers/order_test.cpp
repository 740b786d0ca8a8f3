#include "core/gaussian_mixture.h"
#include "core/noise_grid.h"
#include "core/runge_kutta.h"
#include "samplers/registry.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

constexpr double kSigmaMax = 80;
constexpr double kSigmaMin = 0.05;

/// Data, and the probability flow from kSigmaMax down to kSigmaMin: y is where x ends.
struct Flow {
  GaussianMixture law;
  torch::Tensor x, y;
};

/// 64 draws of N(0, kSigmaMax^2 I) in 3 dimensions.
torch::Tensor starts() {
  NoiseSource noise(7, 0, 64);
  return kSigmaMax * noise.normal_like(torch::empty({64, 3}, torch::kFloat64));
}

/// N(1, 0.25 I), whose flow keeps x in units of its standard deviation.
Flow gaussian_flow() {
  const auto x = starts();
  return {{torch::ones({1}), torch::ones({1, 3}), torch::full({3}, 0.25)},
          x,
          1 + (x - 1) * std::hypot(0.5, kSigmaMin) / std::hypot(0.5, kSigmaMax)};
}

/// Bumps at -1 and 1 of variance 0.25; the flow by steps of tolerance 1e-12.
Flow mixture_flow() {
  const auto u = torch::ones({1, 3});
  GaussianMixture law(torch::full({2}, 0.5), torch::cat({-u, u}), torch::full({3}, 0.25));
  const auto slope = [&](double log_sigma, const torch::Tensor& x) {
    return x - denoise_at(law, x, std::exp(log_sigma));
  };
  const auto x = starts();
  const auto y = integrate_dopri5(slope, x, std::log(kSigmaMax), std::log(kSigmaMin), 1e-12);
  return {law, x, y};
}

/// Root mean square error at the end of `steps` steps, and their cost.
struct Outcome {
  double error;
  double nfe;
};

Outcome run(Flow& flow, const SamplerOptions& options, int64_t steps) {
  auto sigmas = karras_grid(kSigmaMin, kSigmaMax, steps + 1, options.rho);
  sigmas.pop_back();  // the 0 it ends with
  NoiseSource noise(1, 0, 64);
  CountingDenoiser counted(flow.law);
  const auto y = make_sampler(options)->sample(counted, flow.x, sigmas, noise);
  return {(y - flow.y).square().mean().sqrt().item<double>(), static_cast<double>(counted.nfe())};
}

/// The power of the step size that the error falls with.  512 steps are enough for the start of a
/// multistep method, which is of lower order, not to be seen: the noise hides the data there.
double order_in_steps(Flow& flow, const SamplerOptions& options) {
  return std::log2(run(flow, options, 512).error / run(flow, options, 1024).error);
}

/// The order of a method that finds its own steps, 1 / (step size) ~ tolerance^(-1 / order), from
/// differences of its evaluations, where what it costs to find the first step size cancels.
double order_in_tolerance(Flow& flow, SamplerOptions options) {
  const auto at = [&](double tolerance) {
    options.ode.tolerance = tolerance;
    return run(flow, options, 1);
  };
  const auto coarse = at(1e-6);
  const auto middle = at(1e-8);
  const auto fine = at(1e-10);
  REQUIRE_THAT(std::log(middle.error / fine.error) / std::log(100), WithinAbs(1, 0.15));
  return std::log(100) / std::log((fine.nfe - middle.nfe) / (middle.nfe - coarse.nfe));
}

/// On N(1, 0.25 I) from `from` down to 0.5 by steps even in sigma, and by twice as many.
double order_on_even_levels(const std::string& name, double from, int steps) {
  constexpr double kTo = 0.5;
  SamplerOptions options;
  options.name = name;
  auto law = gaussian_flow().law;
  const auto x = from / kSigmaMax * starts();
  const auto exact = 1 + (x - 1) * std::hypot(0.5, kTo) / std::hypot(0.5, from);
  const auto error = [&](int count) {
    std::vector<double> sigmas;
    for (int i = 0; i <= count; ++i) sigmas.push_back(from + (kTo - from) * i / count);
    NoiseSource noise(1, 0, 64);
    const auto y = make_sampler(options)->sample(law, x, sigmas, noise);
    return (y - exact).square().mean().sqrt().item<double>();
  };
  return std::log2(error(steps) / error(2 * steps));
}

}  // namespace

TEST_CASE("every solver has its stated order on Gaussian and on Gaussian-mixture data",
          "[sampler][oracle]") {
  for (auto flow : {gaussian_flow(), mixture_flow()}) {
    for (const auto& entry : sampler_registry()) {
      if (entry.stochastic) continue;
      SamplerOptions options;
      options.name = entry.name;
      const double observed =
          entry.nfe == 0 ? order_in_tolerance(flow, options) : order_in_steps(flow, options);
      INFO(entry.name << " on " << flow.law.components() << " component(s): order " << observed);
      CHECK_THAT(observed, WithinAbs(entry.order, 0.15));
    }
  }
}

TEST_CASE("Adams-Bashforth methods are of order 4 on levels even in sigma, whatever their weights",
          "[sampler][oracle]") {
  const std::string name = GENERATE(as<std::string>{}, "ipndm", "plms", "pndm", "lms");
  INFO(name);
  REQUIRE_THAT(order_on_even_levels(name, /*from=*/20, /*steps=*/500), WithinAbs(4, 0.15));
}

TEST_CASE("where the data can be seen at the start only Runge-Kutta's steps keep Adams's order",
          "[sampler][oracle]") {
  // Euler's first step errs by O(h^2).
  const auto [name, order] =
      GENERATE(table<std::string, int>({{"ipndm", 2}, {"lms", 2}, {"pndm", 4}, {"rk4", 4}}));
  INFO(name);
  REQUIRE_THAT(order_on_even_levels(name, /*from=*/2, /*steps=*/400), WithinAbs(order, 0.15));
}
