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
    if (!entry.stochastic || !affine(entry.name)) continue;
    DYNAMIC_SECTION(entry.name) {
      SamplerOptions options{.name = entry.name};
      options.churn.s_noise = 1;  // more than is right on purpose
      options.langevin.steps_per_level = 6;
      const auto sampler = make_sampler(options);
      const auto coarse = exact_law(*sampler, log_grid(80, 0.02, 400));
      const auto fine = exact_law(*sampler, log_grid(80, 0.02, 800));
      const double order = std::log2((coarse.variance - exact) / (fine.variance - exact));
      CHECK_THAT(order, WithinAbs(entry.order, 0.15));
      CHECK_THAT(fine.variance, WithinRel(exact, 0.025));
      CHECK_THAT(fine.mean, WithinAbs(kMean, 1e-10));
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
    same(
        PredictorCorrectorSampler({.predictor = Predictor::probability_flow, .corrector_steps = 0}),
        AncestralSampler(AncestralStep::euler, /*eta=*/0));
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

TEST_CASE("chosen and corrected Langevin steps keep Gaussian data's law at a level",
          "[sampler][oracle][statistical]") {
  // 50 steps there and none to another level: what is left is the error of the step.
  const double sigma = 0.4;
  const double exact = kStd * kStd + sigma * sigma;
  const int64_t count = 20000;
  auto denoiser = gaussian(1);
  const auto variance = [&](const SamplerOptions& options) {
    NoiseSource noise(11, 0, count);
    const auto x = kMean + std::sqrt(exact) * noise.normal_like(torch::empty({count, 1}, kDouble));
    // A level just below, so that the run has one of its own.
    const auto y = make_sampler(options)->sample(denoiser, x, {sigma, 0.999999 * sigma}, noise);
    CHECK_THAT(y.mean().item<double>(), WithinAbs(kMean, 5 * std::sqrt(exact / count)));
    return y.var().item<double>() / exact;
  };
  const double tolerance = 5 * std::sqrt(2.0 / count);
  SamplerOptions options;
  options.langevin = {.step = 1.5, .steps_per_level = 12};
  options.name = "langevin_adjusted";
  CHECK_THAT(variance(options), WithinAbs(1, tolerance));
  options.name = "langevin";  // too wide by a factor 1 / (1 - step sigma^2 / (4 (v + sigma^2)))
  const double wide = 1 / (1 - 1.5 * sigma * sigma / (4 * exact));
  CHECK_THAT(variance(options), WithinAbs(wide, wide * tolerance));
  CHECK(wide > 1 + 2 * tolerance);
  options.name = "langevin_kinetic";
  options.kinetic = {.step = 1.5, .friction = 1, .steps_per_level = 24};
  CHECK_THAT(variance(options), WithinAbs(1, tolerance));
}

TEST_CASE("the corrector of Song et al. keeps the law as far as its step is small",
          "[sampler][oracle][statistical]") {
  const int64_t count = 256;
  const int64_t dim = 128;
  auto denoiser = gaussian(dim);
  NoiseSource noise(7, 0, count);
  SamplerOptions options{.name = "pc"};
  options.pc.snr = 0.05;
  const auto sigmas = log_grid(20, 0.1, 400);
  const auto x =
      kMean + std::hypot(kStd, 20) * noise.normal_like(torch::empty({count, dim}, kDouble));
  const double exact = kStd * kStd + 0.01;
  for (const auto& [predictor, name] : enum_names(Predictor())) {
    CAPTURE(name);
    options.pc.predictor = predictor;
    const auto y = make_sampler(options)->sample(denoiser, x, sigmas, noise);
    CHECK_THAT(y.var().item<double>(), WithinRel(exact, 5 * std::sqrt(2.0 / (count * dim))));
    CHECK_THAT(y.mean().item<double>(), WithinAbs(kMean, 5 * std::sqrt(exact / (count * dim))));
  }
}

TEST_CASE("a finer grid keeps to the noise of a coarse one", "[sampler][property]") {
  // The reverse SDE has one solution for a path: doubling the steps brings the samples together.
  for (const std::string name : {"ddpm", "dpmpp_2m_sde", "sa_solver", "euler_maruyama"}) {
    CAPTURE(name);
    const auto sampler = make_sampler({.name = name});
    const auto at = [&](int steps) { return drawn(*sampler, log_grid(80, 0.05, steps)); };
    const auto fine = at(3200);
    const auto distance = [&](int steps) {
      return (at(steps) - fine).square().mean().sqrt().item<double>();
    };
    CHECK(distance(100) < 0.1);
    CHECK(distance(400) < 0.5 * distance(100));
    CHECK((fine - drawn(*sampler, log_grid(80, 0.05, 100), 4)).square().mean().item<double>() >
          0.2);  // of another seed
  }
}

TEST_CASE("bad options of stochastic samplers are refused by name", "[sampler][error]") {
  const auto refused = [](const std::string& name, const char* section, auto&& spoil) {
    SamplerOptions options{.name = name};
    spoil(options);
    CHECK_THROWS_AS(make_sampler(options), ConfigError);
    CHECK_THROWS_WITH(make_sampler(options), Contains(section));
  };
  refused("euler_ancestral", "eta", [](auto& o) { o.ancestral.eta = -1; });
  refused("ddim", "eta", [](auto& o) { o.ddim.eta = std::nan(""); });
  refused("dpmpp_2m_sde", "sampler.sde", [](auto& o) { o.sde.eta = -1; });
  refused("sa_solver", "sampler.sa", [](auto& o) { o.sa.predictor = 0; });
  refused("sa_solver", "sampler.sa", [](auto& o) { o.sa.corrector = 5; });
  refused("pc", "sampler.pc", [](auto& o) { o.pc.snr = 0; });
  refused("langevin_adjusted", "sampler.langevin", [](auto& o) { o.langevin.step = 4; });
  refused("langevin_consistent", "renewal", [](auto& o) { o.langevin.renewal = 0.5; });
  refused("langevin_consistent", "renewal", [](auto& o) { o.langevin.renewal = INFINITY; });
  refused("langevin_kinetic", "sampler.kinetic", [](auto& o) { o.kinetic.step = 2; });
}
