#include "core/preconditioning.h"

#include "core/denoising_loss.h"
#include "core/error.h"
#include "core/gaussian_mixture.h"
#include "core/random.h"
#include "tests/support/catch.h"

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

}  // namespace

TEST_CASE("a network that predicts its target exactly denoises exactly", "[core][oracle]") {
  auto rng = make_generator(1, "test");
  const auto x0 = torch::randn({6, 3}, rng, kDouble);
  const auto noise = torch::randn({6, 3}, rng, kDouble);
  const auto sigma = torch::tensor({0.02, 0.1, 0.5, 1.0, 5.0, 50.0}, kDouble);
  const auto s = sigma.unsqueeze(1);
  const auto alpha = (1 + s.square()).rsqrt();  // sqrt(alpha_bar)

  const auto name = GENERATE(as<std::string>{}, "epsilon", "v", "x0");
  ClairvoyantNetwork network;
  if (name == "epsilon") network.target = noise;
  if (name == "v") network.target = alpha * noise - s * alpha * x0;
  if (name == "x0") network.target = x0;
  const auto preconditioning = make_preconditioning(options_for(name));
  PreconditionedDenoiser denoiser(network, *preconditioning);
  INFO(name);
  REQUIRE(torch::allclose(denoiser.denoise(x0 + s * noise, sigma), x0, 1e-9, 1e-9));
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
