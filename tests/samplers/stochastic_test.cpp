#include "core/error.h"
#include "core/gaussian_mixture.h"
#include "samplers/ancestral.h"
#include "samplers/dpm_solver_sde.h"
#include "samplers/registry.h"
#include "samplers/reverse_sde.h"
#include "samplers/sa_solver.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

const auto kDouble = torch::kFloat64;
constexpr double kMean = 1.0;
constexpr double kStd = 0.5;

GaussianMixture gaussian(int64_t dim) {
  return {torch::ones({1}), torch::full({1, dim}, kMean), torch::full({dim}, kStd * kStd)};
}

std::vector<double> log_grid(double from, double to, int steps) {
  std::vector<double> sigmas;
  for (int i = 0; i <= steps; ++i) sigmas.push_back(from * std::pow(to / from, double(i) / steps));
  return sigmas;
}

/// Of a batch of one number each: sample 2 + k gets 1 for the k-th draw and all others 0.
class UnitNoise final : public NoiseSource {
 public:
  explicit UnitNoise(int64_t count) : NoiseSource(0, 0, count) {}
  torch::Tensor normal_like(const torch::Tensor& x) override {
    auto n = torch::zeros_like(x);
    if (2 + draws < x.size(0)) n[2 + draws] = 1;
    ++draws;
    return n;
  }
  torch::Tensor normal_between(const torch::Tensor& x, double, double) override {
    return normal_like(x);
  }
  int64_t draws = 0;
};

struct Law {
  double mean, variance;
};

/// What `sampler` makes of x of Gaussian data at sigmas[0], without error: then it is an affine map
/// of x and its draws, whose coefficients are read from a batch of units.
Law exact_law(const Sampler& sampler, const std::vector<double>& sigmas) {
  auto denoiser = gaussian(1);
  UnitNoise counter(2);
  sampler.sample(denoiser, torch::zeros({2, 1}, kDouble), sigmas, counter);
  UnitNoise noise(2 + counter.draws);
  auto x = torch::zeros({2 + counter.draws, 1}, kDouble);
  x[1] = 1;
  const auto y = sampler.sample(denoiser, x, sigmas, noise).squeeze(1);
  const auto gains = y.slice(0, 1) - y[0];
  const double by_x = gains[0].item<double>();
  return {y[0].item<double>() + by_x * kMean, by_x * by_x * (kStd * kStd + sigmas[0] * sigmas[0]) +
                                                  gains.slice(0, 1).square().sum().item<double>()};
}

/// Samplers whose steps depend on x by more than D.
bool affine(const std::string& name) { return name != "pc" && name != "langevin_adjusted"; }

torch::Tensor drawn(const Sampler& sampler, const std::vector<double>& sigmas, uint64_t seed = 3) {
  auto denoiser = gaussian(4);
  return draw_samples(sampler, denoiser, {16, 4}, sigmas, seed, 0, kDouble);
}

}  // namespace

TEST_CASE("the law of stochastic samplers tends to that of Gaussian data at their weak order",
          "[sampler][oracle]") {
  const double exact = kStd * kStd + 0.02 * 0.02;
  for (const auto& entry : sampler_registry()) {
    if (entry.order != 0 || !affine(entry.name)) continue;
    DYNAMIC_SECTION(entry.name) {
      SamplerOptions options{.name = entry.name};
      options.churn.s_noise = 1;  // more than is right on purpose
      const auto sampler = make_sampler(options);
      const auto coarse = exact_law(*sampler, log_grid(80, 0.02, 400));
      const auto fine = exact_law(*sampler, log_grid(80, 0.02, 800));
      const double order = std::log2((coarse.variance - exact) / (fine.variance - exact));
      WARN(entry.name << " " << order << " " << fine.variance / exact - 1 << " "
                      << fine.mean - kMean);
    }
  }
}

TEST_CASE("samplers of one law are one", "[sampler][oracle]") {
  const auto sigmas = make_grid({.name = "heun", .steps = 12}, ModelRange());
  const auto same = [&](const Sampler& a, const Sampler& b) {
    CHECK(torch::allclose(drawn(a, sigmas), drawn(b, sigmas), 1e-9, 1e-10));
  };
  const AncestralSampler ancestral(AncestralStep::euler, 1);
  SECTION("DDIM with eta 1 is DDPM with the posterior variance") {
    same(ancestral, DdpmSampler(ReverseVariance::posterior));
  }
  SECTION("the first order of the exponential methods is DDPM at strength 1") {
    same(ancestral, DpmSolverSdeSampler(1, 1));
    same(ancestral, SaSolverSampler({.tau = 1, .predictor = 1, .corrector = 0}));
  }
  SECTION("and DDIM without noise") {
    const AncestralSampler ddim(AncestralStep::euler, 0);
    same(ddim, *make_sampler({.name = "ddim"}));
    same(ddim, DpmSolverSdeSampler(1, 0));
    same(ddim, SaSolverSampler({.tau = 0, .predictor = 1, .corrector = 0}));
  }
  SECTION("the third order is SA-Solver's, whose integrals are exact") {
    for (const double eta : {0.0, 1.0, 2.5}) {
      same(DpmSolverSdeSampler(3, eta),
           SaSolverSampler({.tau = std::sqrt(eta), .predictor = 3, .corrector = 0}));
    }
  }
  SECTION("a predictor without corrections is itself") {
    same(PredictorCorrectorSampler({.predictor = Predictor::ancestral, .corrector_steps = 0}),
         ancestral);
    same(PredictorCorrectorSampler({.corrector_steps = 0}), EulerMaruyamaSampler());
  }
}

TEST_CASE("weights of SA-Solver integrate polynomials against the exponential", "[oracle]") {
  // int_0^h a exp(-a (h - v)) v^k dv by 20 000 midpoints, on both sides of the switch of formulas.
  const std::vector<double> nodes = {0, -0.3, -0.7, 0.25};
  for (const double a : {0.7, 2.0, 9.0}) {
    const double h = 0.25;
    const auto weights = exponential_weights(nodes, h, a);
    for (int k = 0; k < 4; ++k) {
      double want = 0;
      for (int i = 0; i < 20000; ++i) {
        const double v = h * (i + 0.5) / 20000;
        want += h / 20000 * a * std::exp(-a * (h - v)) * std::pow(v, k);
      }
      double got = 0;
      for (size_t j = 0; j < nodes.size(); ++j) got += weights[j] * std::pow(nodes[j], k);
      CHECK_THAT(got, WithinRel(want, 1e-7));
    }
  }
}

TEST_CASE("without noise the stochastic multistep methods have their order", "[sampler][oracle]") {
  const auto error = [](const Sampler& sampler, int steps) {
    auto denoiser = gaussian(1);
    NoiseSource noise(1, 0, 1);
    const auto y = sampler.sample(denoiser, torch::full({1, 1}, 81.0, kDouble),
                                  log_grid(80, 0.05, steps), noise);
    return std::abs(y.item<double>() - kMean - 80 * std::hypot(kStd, 0.05) / std::hypot(kStd, 80));
  };
  const auto order = [&](const Sampler& sampler) {
    return std::log2(error(sampler, 200) / error(sampler, 400));
  };
  CHECK_THAT(order(DpmSolverSdeSampler(2, 0)), WithinAbs(2, 0.15));
  CHECK_THAT(order(SaSolverSampler({.tau = 0, .predictor = 2, .corrector = 0})),
             WithinAbs(2, 0.15));
  CHECK_THAT(order(SaSolverSampler({.tau = 0, .predictor = 2, .corrector = 2})),
             WithinAbs(3, 0.15));
}
