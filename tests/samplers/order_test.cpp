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
  SamplerOptions options;
  options.name = GENERATE(as<std::string>{}, "ipndm", "plms", "lms");
  const double from = 20;
  const double to = 0.5;
  auto [law, sigma_max, sigma_min, start, end] = gaussian_flow();
  const auto x = from / sigma_max * start;
  const auto exact = 1 + (x - 1) * std::hypot(0.5, to) / std::hypot(0.5, from);
  const auto error = [&](int steps) {
    std::vector<double> sigmas;
    for (int i = 0; i <= steps; ++i) sigmas.push_back(from + (to - from) * i / steps);
    NoiseSource noise(1, 0, 64);
    const auto y = make_sampler(options)->sample(law, x, sigmas, noise);
    return (y - exact).square().mean().sqrt().item<double>();
  };
  INFO(options.name);
  REQUIRE_THAT(std::log2(error(500) / error(1000)), WithinAbs(4, 0.15));
}
