#include "fisher/fisher_level.h"

#include "core/error.h"
#include "core/gaussian_mixture.h"
#include "core/random.h"
#include "fisher/observed_information.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

const auto kDouble = torch::kFloat64;

GaussianMixture two_bumps() {
  const auto u = torch::full({16}, 0.25, kDouble);
  return {torch::full({2}, 0.5), torch::stack({-2 * u, 2 * u}), torch::full({16}, 0.25)};
}

GaussianMixture gaussian() {
  return {torch::ones({1}), torch::full({1, 4}, 0.3),
          torch::tensor({4.0, 1.0, 0.25, 0.0}, kDouble)};
}

FisherEstimates measure(Denoiser& denoiser, const GaussianMixture& data, double sigma,
                        int64_t count, int64_t probes = 1) {
  auto rng = make_generator(17, "test", static_cast<int64_t>(1000 * sigma));
  FisherLevel level(sigma, data.dim(), probes);
  for (const auto& x0 : data.sample(count, rng).split(count / 4)) {
    level.add(denoiser, x0, torch::randn(x0.sizes(), rng, x0.options()), rng);
  }
  return level.estimates();
}

void require_within(const Estimate& estimate, double exact, double errors = 5) {
  INFO(estimate.value << " +- " << estimate.standard_error << " against " << exact);
  REQUIRE(estimate.standard_error >= 0);
  REQUIRE(std::abs(estimate.value - exact) <= errors * estimate.standard_error + 1e-10 * exact);
}

/// c s + b in place of the score s of `truth`.
class PerturbedScore final : public Denoiser {
 public:
  PerturbedScore(Denoiser& truth, double factor, double bias)
      : truth_(truth), factor_(factor), bias_(bias) {}

  torch::Tensor denoise(const torch::Tensor& x, const torch::Tensor& sigma) override {
    return x + per_sample(sigma, x).square() * (factor_ * score(truth_, x, sigma) + bias_);
  }

 private:
  Denoiser& truth_;
  double factor_;
  double bias_;
};

}  // namespace

TEST_CASE("every estimate of the Fisher information finds the closed form",
          "[fisher][oracle][statistical]") {
  // 0.5 on keeps enough of the mixture's samples between the bumps for honest errors.
  const double sigma = GENERATE(0.5, 1.0, 3.0);
  const bool mixture = GENERATE(true, false);
  auto data = mixture ? two_bumps() : gaussian();
  const auto d = static_cast<double>(data.dim());
  const auto e = measure(data, data, sigma, 40000);
  INFO("sigma " << sigma << (mixture ? " mixture" : " gaussian"));
  const double exact = data.fisher_information(sigma);
  for (const auto& info :
       {e.fisher_info_exp, e.fisher_info_stein, e.fisher_info_obs, e.fisher_info_low}) {
    require_within(info, exact);
  }
  require_within(e.x0_mse, data.mmse(sigma) / d);
  require_within(e.eps_mse, data.mmse(sigma) / d / (sigma * sigma));
  require_within(e.dsm_loss, data.mmse(sigma) / std::pow(sigma, 4));
  require_within(e.ism_loss, -exact);
  require_within(e.score_calibration, 1);
  require_within(e.virial, 1);
  require_within(e.fraction(e.fisher_info_low), sigma * sigma * exact / d);
  require_within(e.info_rate(), data.mmse(sigma) / (sigma * sigma));
  require_within(e.effective_variance(), d / exact - sigma * sigma);
  REQUIRE(std::abs(e.consistency_z) < 5);
  REQUIRE(std::abs(e.dsm_minus_ism_z) < 5);
  REQUIRE(std::abs(e.mean_score_z) < 5);
}

TEST_CASE("the participation ratio is that of the score covariance", "[fisher][oracle]") {
  auto data = gaussian();
  const auto e = measure(data, data, 0.5, 20000);
  REQUIRE_THAT(e.participation_ratio, WithinRel(2.39162, 0.03));
}

TEST_CASE("a scaled or shifted score is found out by exactly its defect",
          "[fisher][oracle][statistical]") {
  auto truth = gaussian();
  const double sigma = 1.0;
  const double exact = truth.fisher_information(sigma);

  PerturbedScore scaled(truth, 0.8, 0);
  const auto s = measure(scaled, truth, sigma, 20000);
  require_within(s.score_calibration, 1 / 0.8);
  require_within(s.virial, 0.8);
  require_within(s.fisher_info_exp, 0.64 * exact);
  require_within(s.fisher_info_obs, 0.8 * exact);
  // The bound falls short of J by the Fisher divergence (1 - c)^2 J.
  require_within(s.fisher_info_low, exact - 0.04 * exact);
  REQUIRE(std::abs(s.consistency_z) > 10);
  REQUIRE(std::abs(s.dsm_minus_ism_z) < 5);  // tests the code, not the fit

  PerturbedScore shifted(truth, 1, 0.1);
  const auto b = measure(shifted, truth, sigma, 20000);
  require_within(b.fisher_info_low, exact - 4 * 0.01);
  REQUIRE_THAT(b.mean_score_norm, WithinAbs(0.2, 5 * std::sqrt(exact / 20000)));
  REQUIRE(b.mean_score_z > 50);
}

TEST_CASE("Hutchinson's trace is unbiased and within its error of the exact trace",
          "[fisher][oracle][statistical]") {
  auto data = two_bumps();
  auto rng = make_generator(3, "test");
  const auto x0 = data.sample(8, rng);
  const auto x = x0 + torch::randn(x0.sizes(), rng, kDouble);
  const auto sigma = torch::ones({8}, kDouble);
  const auto input = x.detach().requires_grad_(true);
  const auto denoised = data.denoise(input, sigma);
  auto exact = torch::zeros({8}, kDouble);
  for (int64_t i = 0; i < 16; ++i) {
    const auto row = torch::autograd::grad({denoised.select(1, i).sum()}, {input}, {}, true)[0];
    exact += row.select(1, i);
  }
  const int64_t draws = 400;
  std::vector<torch::Tensor> traces;
  for (int64_t k = 0; k < draws; ++k) {
    traces.push_back(denoise_with_trace(data, x, sigma, /*probes=*/1, rng).trace);
  }
  const auto all = torch::stack(traces);
  const auto z = (all.mean(0) - exact) / (all.std(0) / std::sqrt(static_cast<double>(draws)));
  REQUIRE(z.abs().max().item<double>() < 5);
  // n probes cut the variance by n: the same draws, averaged inside.
  const auto many = denoise_with_trace(data, x, sigma, draws, rng).trace;
  const auto z_many = (many - exact) / (all.std(0) / std::sqrt(static_cast<double>(draws)));
  REQUIRE(z_many.abs().max().item<double>() < 5);
}

TEST_CASE("without probes the observed information is left empty", "[fisher]") {
  auto data = gaussian();
  const auto e = measure(data, data, 1.0, 400, /*probes=*/0);
  REQUIRE(e.probes == 0);
  REQUIRE(e.fisher_info_obs.count == 0);
  REQUIRE(e.fisher_info_exp.count == 400);
}

TEST_CASE("noise levels of a table are evenly spaced in ln sigma", "[fisher]") {
  const auto levels = log_spaced_levels(0.01, 100, 5);
  REQUIRE(levels.size() == 5);
  REQUIRE_THAT(levels[2], WithinRel(1, 1e-12));
  REQUIRE_THROWS_AS(log_spaced_levels(1, 1, 5), ConfigError);
  REQUIRE_THROWS_AS(log_spaced_levels(0.1, 1, 1), ConfigError);
}
