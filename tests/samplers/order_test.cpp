#include "samplers/convergence.h"
#include "samplers/registry.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

/// The order of a method that finds its own steps, 1 / (step size) ~ tolerance^(-1 / order), from
/// differences of its evaluations, where what it costs to find the first step size cancels.
double order_in_tolerance(KnownFlow& flow, SamplerOptions options) {
  const auto at = [&](double tolerance) {
    options.ode.tolerance = tolerance;
    return flow_error(*make_sampler(options), flow, 1);
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
  auto flow = gaussian_flow();
  const auto x = from / flow.sigma_max * flow.x;
  const auto exact = 1 + (x - 1) * std::hypot(0.5, kTo) / std::hypot(0.5, from);
  const auto error = [&](int count) {
    std::vector<double> sigmas;
    for (int i = 0; i <= count; ++i) sigmas.push_back(from + (kTo - from) * i / count);
    NoiseSource noise(1, 0, 64);
    const auto y = make_sampler(options)->sample(flow.law, x, sigmas, noise);
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
      const double observed = entry.nfe == 0 ? order_in_tolerance(flow, options)
                                             : convergence_order(*make_sampler(options), flow);
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
