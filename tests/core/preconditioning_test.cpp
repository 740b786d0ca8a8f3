#include "core/preconditioning.h"

#include "core/denoising_loss.h"
#include "core/error.h"
#include "core/gaussian_mixture.h"
#include "core/random.h"
#include "tests/support/catch.h"
#include "tests/support/golden.h"
#include "tests/support/own_coordinates.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

const auto kDouble = torch::kFloat64;

PreconditioningOptions options_for(const std::string& name) {
  PreconditioningOptions options;
  options.name = name;
  options.sigma_data = 0.5;
  return options;
}

/// Predicts, for x_0 known, exactly what a network of the named parametrisation should.
class ClairvoyantNetwork final : public ScoreNetwork {
 public:
  torch::Tensor target;
  torch::Tensor forward(const torch::Tensor&, const torch::Tensor&, const torch::Tensor&) override {
    return target;
  }
};

/// What a network of parametrisation `name` predicts where x_t = alpha x_0 + noise n.
torch::Tensor target(const std::string& name, double alpha, double noise, const torch::Tensor& x0,
                     const torch::Tensor& n) {
  if (name == "epsilon") return n;
  if (name == "score") return -n;  // noise grad log p(x_t given x_0)
  if (name == "x0") return x0;
  if (name == "v") return alpha * n - noise * x0;
  if (name == "velocity") return n - x0;
  // edm, of sigma_data = 0.5
  const double sigma2 = noise * noise;
  const auto skipped = 0.25 / (sigma2 + 0.25) * (x0 + noise * n);
  return (x0 - skipped) / (0.5 * noise / std::sqrt(sigma2 + 0.25));
}

/// Every pair of a parametrisation and a process that it goes with.
std::vector<PreconditioningOptions> admissible_pairs() {
  std::vector<PreconditioningOptions> pairs;
  for (const auto& entry : preconditioning_registry()) {
    for (const auto& process : entry.processes) {
      pairs.push_back(options_for(entry.name));
      pairs.back().noise.name = process;
    }
  }
  return pairs;
}

constexpr double kTimes[] = {0.02, 0.1, 0.37, 0.5, 0.9, 0.99};

/// E[x_0 | x_t] of N(0.3, 0.5^2) data, worked out in the process's own coordinates, as the network
/// of a parametrisation would put it.  Sees x_t and c_noise only.
class AnalyticNetwork final : public ScoreNetwork {
 public:
  explicit AnalyticNetwork(const PreconditioningOptions& options) : options_(options) {}

  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& c_noise,
                        const torch::Tensor&) override {
    std::vector<torch::Tensor> rows;
    for (int64_t i = 0; i < x.size(0); ++i) {
      const auto own = told(c_noise[i].item<double>());
      // EDM's network sees the image at unit variance.
      const double unscale = options_.name == "edm" ? std::sqrt(0.25 + own.noise * own.noise) : 1.0;
      rows.push_back(predict(own, unscale * x[i]));
    }
    return torch::stack(rows);
  }

 private:
  OwnCoordinates told(double c_noise) const {
    for (const double t : kTimes) {
      const auto own = own_coordinates(options_.noise.name, t);
      if (std::abs(own.c_noise - c_noise) < 1e-6) return own;
    }
    throw std::runtime_error("c_noise is that of no level of the test");
  }

  torch::Tensor predict(const OwnCoordinates& own, const torch::Tensor& x_t) const {
    const double a2 = own.alpha * own.alpha;
    const double n2 = own.noise * own.noise;
    const auto x0 = (0.25 * own.alpha * x_t + n2 * 0.3) / (a2 * 0.25 + n2);
    return target(options_.name, own.alpha, own.noise, x0, (x_t - own.alpha * x0) / own.noise);
  }

  PreconditioningOptions options_;
};

}  // namespace

TEST_CASE("a network that predicts its target exactly denoises exactly", "[core][oracle]") {
  auto rng = make_generator(1, "test");
  const auto x0 = torch::randn({1, 3}, rng, kDouble);
  const auto n = torch::randn({1, 3}, rng, kDouble);
  for (const auto& options : admissible_pairs()) {
    const auto preconditioning = make_preconditioning(options);
    for (const double t : kTimes) {
      const auto own = own_coordinates(options.noise.name, t);
      ClairvoyantNetwork network;
      network.target = target(options.name, own.alpha, own.noise, x0, n);
      PreconditionedDenoiser denoiser(network, *preconditioning);
      const auto sigma = torch::full({1}, own.sigma(), kDouble);
      const auto x = x0 + own.sigma() * n;
      INFO(options.name << " on " << options.noise.name << " at " << t);
      // An absolute error of rounding in x, which is of size sigma.
      REQUIRE(torch::allclose(denoiser.denoise(x, sigma), x0, 1e-9, 1e-12 * (1 + own.sigma())));
    }
  }
}

TEST_CASE("a network that is right in its own coordinates is the exact denoiser in ours",
          "[core][oracle]") {
  auto rng = make_generator(2, "test");
  GaussianMixture exact(torch::ones({1}), torch::full({1, 3}, 0.3, kDouble),
                        torch::full({3}, 0.25));
  for (const auto& options : admissible_pairs()) {
    std::vector<double> levels;
    for (const double t : kTimes) levels.push_back(own_coordinates(options.noise.name, t).sigma());
    const auto sigma = torch::tensor(levels, kDouble);
    const auto x =
        0.3 + (0.25 + sigma.square()).sqrt().unsqueeze(1) * torch::randn({6, 3}, rng, kDouble);
    AnalyticNetwork network(options);
    const auto preconditioning = make_preconditioning(options);
    PreconditionedDenoiser denoiser(network, *preconditioning);
    INFO(options.name << " on " << options.noise.name);
    REQUIRE(torch::allclose(denoiser.denoise(x, sigma), exact.denoise(x, sigma), 1e-9, 1e-9));
  }
}

TEST_CASE("network weighting holds the network against its own target", "[core][oracle]") {
  auto rng = make_generator(3, "test");
  const auto x0 = torch::randn({1, 8}, rng, kDouble);
  const auto off = torch::randn({1, 8}, rng, kDouble);
  LossOptions loss;
  loss.weighting = LossWeighting::network;
  for (const auto& options : admissible_pairs()) {
    const auto preconditioning = make_preconditioning(options);
    const DenoisingScoreMatching objective(loss, options);
    for (const double t : kTimes) {
      const auto own = own_coordinates(options.noise.name, t);
      const auto sigma = torch::full({1}, own.sigma(), kDouble);
      auto stream = make_generator(4, "noise");
      const auto n = torch::randn(x0.sizes(), stream, x0.options());
      ClairvoyantNetwork network;
      network.target = target(options.name, own.alpha, own.noise, x0, n) + off;
      PreconditionedDenoiser denoiser(network, *preconditioning);
      auto again = make_generator(4, "noise");
      INFO(options.name << " on " << options.noise.name << " at " << t);
      REQUIRE_THAT(objective.loss(denoiser, x0, sigma, again).weighted.item<double>(),
                   WithinRel(off.square().mean().item<double>(), 1e-8));
    }
  }
}

TEST_CASE("losses are those of EDM's code", "[core][golden]") {
  struct Case {
    const char* file;
    PreconditioningOptions options;
    LossWeighting weighting;
  };
  const auto with = [](const char* name, const char* process) {
    auto options = options_for(name);
    options.noise.name = process;
    return options;
  };
  const Case cases[] = {{"loss_VPLoss", with("epsilon", "vp_sde"), LossWeighting::epsilon},
                        {"loss_VELoss", with("epsilon", "ve"), LossWeighting::epsilon},
                        {"loss_EDMLoss", with("edm", "edm"), LossWeighting::edm}};
  GaussianMixture exact(torch::ones({1}), torch::full({1, 16}, 0.3, kDouble),
                        torch::full({16}, 0.25));
  for (const auto& [file, options, weighting] : cases) {
    const auto want =
        load_golden(std::string(HALCYON_GOLDEN_DIR) + "/processes/" + file + ".safetensors");
    const auto sigma = want.at("sigma").flatten();
    const auto error = (exact.denoise(want.at("noisy"), sigma) - want.at("img")).square();
    INFO(file);
    for (const auto each : {weighting, LossWeighting::network}) {
      LossOptions loss;
      loss.weighting = each;
      const DenoisingScoreMatching objective(loss, options);
      const auto got = objective.weighted(error.flatten(1).mean(1), sigma);
      // Their weight is a float32.
      REQUIRE(torch::allclose(got, want.at("loss").flatten(1).mean(1), 1.2e-7, 0));
    }
  }
}

TEST_CASE("pairs that make no sense are refused with the reason", "[core][error]") {
  const auto refuses = [](const std::string& name, const std::string& process,
                          const std::string& what) {
    auto options = options_for(name);
    options.noise.name = process;
    INFO(name << " on " << process);
    REQUIRE_THROWS_AS(make_preconditioning(options), ConfigError);
    REQUIRE_THROWS_WITH(make_preconditioning(options), Contains("preconditioning.name = " + name) &&
                                                           Contains("preconditioning.process") &&
                                                           Contains(what));
  };
  refuses("velocity", "vp", "want flow");
  refuses("v", "ve", "preserves variance");
  refuses("v", "sub_vp", "want vp or vp_sde");
  refuses("edm", "flow", "want edm");
  refuses("epsilon", "flow", "noise only");
  refuses("score", "edm", "ve");
  refuses("x0", "edm", "want vp");

  auto options = options_for("epsilon");
  options.noise.name = "vq";
  REQUIRE_THROWS_WITH(make_preconditioning(options),
                      Contains("preconditioning.process") && Contains("'vp'"));
  options.noise.name = "vp";
  options.noise.vp.zero_terminal_snr = true;
  for (const char* name : {"epsilon", "score"}) {
    options.name = name;
    REQUIRE_THROWS_WITH(make_preconditioning(options),
                        Contains("zero_terminal_snr") && Contains(name));
  }
  for (const char* name : {"v", "x0"}) {
    options.name = name;
    REQUIRE(make_preconditioning(options)->sigma_max() > 4000);
  }
}

TEST_CASE("the process suits the parametrisation unless another is named", "[core]") {
  const auto process = [](const std::string& name) {
    return process_options(options_for(name)).name;
  };
  REQUIRE(process("edm") == "edm");
  for (const char* name : {"epsilon", "v", "x0"}) REQUIRE(process(name) == "vp");
  REQUIRE(process("score") == "ve");
  REQUIRE(process("velocity") == "flow");
}

TEST_CASE("EDM scalings give input and target unit variance", "[core][oracle]") {
  const auto s =
      make_preconditioning(options_for("edm"))->scaling(torch::logspace(-2, 2, 9, 10, kDouble));
  const auto sigma2 = torch::logspace(-4, 4, 9, 10, kDouble);
  const auto one = torch::ones({9}, kDouble);
  REQUIRE(torch::allclose(s.c_in.square() * (sigma2 + 0.25), one, 1e-12));
  // Var[(x_0 - c_skip x) / c_out] = ((1 - c_skip)^2 sigma_data^2 + c_skip^2 sigma^2) / c_out^2
  const auto target =
      ((1 - s.c_skip).square() * 0.25 + s.c_skip.square() * sigma2) / s.c_out.square();
  REQUIRE(torch::allclose(target, one, 1e-12));
}

TEST_CASE("unknown parametrisations are refused with the nearest name", "[core][error]") {
  REQUIRE_THROWS_AS(make_preconditioning(options_for("epsilom")), ConfigError);
  REQUIRE_THROWS_WITH(make_preconditioning(options_for("epsilom")),
                      Contains("preconditioning.name") && Contains("'epsilon'"));
  auto options = options_for("edm");
  options.sigma_data = 0;
  REQUIRE_THROWS_WITH(make_preconditioning(options), Contains("sigma_data"));
}

TEST_CASE("the ideal denoiser of N(0 sigma_data^2) has EDM loss 1", "[core][oracle][statistical]") {
  auto rng = make_generator(11, "test");
  GaussianMixture ideal(torch::ones({1}), torch::zeros({1, 8}), torch::full({8}, 0.25));
  const DenoisingScoreMatching objective({}, options_for("edm"));
  const auto x0 = ideal.sample(20000, rng);
  const auto sigma = objective.draw_sigma(20000, x0, rng);
  const auto weighted = objective.loss(ideal, x0, sigma, rng).weighted;
  const double standard_error = weighted.std().item<double>() / std::sqrt(20000.0);
  REQUIRE_THAT(weighted.mean().item<double>(), WithinAbs(1.0, 4 * standard_error));
}

TEST_CASE("noise levels are drawn from the distribution named", "[core][oracle]") {
  auto rng = make_generator(12, "test");
  const int64_t n = 100000;
  const auto draw = [&](SigmaDistribution distribution, const std::string& name) {
    LossOptions options;
    options.distribution = distribution;
    return DenoisingScoreMatching(options, options_for(name))
        .draw_sigma(n, torch::zeros({1}, kDouble), rng);
  };
  // Stratified: moments are those of the distribution up to about 1 / n.
  const auto log_normal = draw(SigmaDistribution::lognormal, "edm").log();
  REQUIRE_THAT(log_normal.mean().item<double>(), WithinAbs(-1.2, 1e-3));
  REQUIRE_THAT(log_normal.std().item<double>(), WithinAbs(1.2, 1e-3));
  const auto log_uniform = draw(SigmaDistribution::log_uniform, "edm").log();
  REQUIRE_THAT(log_uniform.mean().item<double>(), WithinAbs(std::log(0.002 * 80) / 2, 1e-3));
  REQUIRE_THAT(log_uniform.std().item<double>(), WithinAbs(std::log(40000) / std::sqrt(12), 1e-3));
  const VpSchedule schedule({});
  const auto t = schedule.time(draw(SigmaDistribution::vp, "epsilon"));
  REQUIRE_THAT(t.mean().item<double>(), WithinAbs(499.5, 0.05));
  REQUIRE(torch::allclose(t, t.round(), 0, 1e-6));
  REQUIRE(std::get<0>(at::_unique(t.round())).size(0) == 1000);
  const auto flow = draw(SigmaDistribution::process, "velocity");
  const auto flow_t = flow / (1 + flow);
  REQUIRE_THAT(flow_t.mean().item<double>(), WithinAbs(0.5, 1e-4));
  REQUIRE_THAT(flow_t.std().item<double>(), WithinRel(0.998 / std::sqrt(12), 1e-4));
}

TEST_CASE("the vp process is visited as the vp distribution says", "[core]") {
  const auto u = torch::linspace(0, 1, 333, kDouble);
  const auto sigma = [&](SigmaDistribution distribution) {
    LossOptions options;
    options.distribution = distribution;
    return DenoisingScoreMatching(options, options_for("epsilon")).sigma_at(u, u);
  };
  REQUIRE(torch::equal(sigma(SigmaDistribution::process), sigma(SigmaDistribution::vp)));
}

TEST_CASE("lognormal sigma is logit-normal t of flow", "[core][oracle]") {
  // The quantiles of t = 1 / (1 + e^-z), z ~ N(m, s^2), are those of z, as t increases with z.
  const auto u = (torch::arange(1000, kDouble) + 0.5) / 1000;
  LossOptions options;
  options.p_mean = 0.3;
  options.p_std = 0.8;
  const auto sigma = DenoisingScoreMatching(options, options_for("velocity")).sigma_at(u, u);
  const auto t = sigma / (1 + sigma);
  const auto logit = (t / (1 - t)).log();
  const auto below = 0.5 * (1 + torch::erf((logit - 0.3) / (0.8 * std::sqrt(2))));
  REQUIRE(torch::allclose(below, u, 1e-9, 1e-9));
}

TEST_CASE("weightings are lambda over sigma^4 of the squared error", "[core][oracle]") {
  const auto sigma = torch::tensor({0.1, 2.0}, kDouble);
  const auto x0 = torch::zeros({2, 4}, kDouble);
  GaussianMixture blind(torch::ones({1}), torch::ones({1, 4}), torch::zeros({4}));  // D = 1
  const auto weighted = [&](LossWeighting weighting) {
    auto rng = make_generator(1, "test");
    LossOptions options;
    options.weighting = weighting;
    return DenoisingScoreMatching(options, options_for("edm")).loss(blind, x0, sigma, rng).weighted;
  };
  REQUIRE(torch::allclose(weighted(LossWeighting::edm), sigma.pow(-2) + 4));
  REQUIRE(torch::allclose(weighted(LossWeighting::epsilon), sigma.pow(-2)));
  REQUIRE(torch::allclose(weighted(LossWeighting::x0), torch::ones({2}, kDouble)));
}
