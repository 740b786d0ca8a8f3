#include "fisher/score_calibration.h"

#include "core/calibrated_denoiser.h"
#include "core/gaussian_mixture.h"
#include "core/random.h"
#include "fisher/fisher_level.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

const auto kDouble = torch::kFloat64;

GaussianMixture two_bumps() {
  const auto u = torch::full({16}, 0.25, kDouble);
  return {torch::full({2}, 0.5), torch::stack({-2 * u, 2 * u}), torch::full({16}, 0.25)};
}

LogSigmaTable constant(double c) { return LogSigmaTable({{1, c}}); }

struct Sample {
  torch::Tensor x0, noise;
};

Sample draw(const GaussianMixture& data, int64_t count, const char* stream) {
  auto rng = make_generator(23, stream);
  const auto x0 = data.sample(count, rng);
  return {x0, torch::randn(x0.sizes(), rng, x0.options())};
}

CalibrationLevel measure(Denoiser& denoiser, double sigma, const Sample& sample) {
  CalibrationLevel level(sigma);
  const auto noise = sample.noise.chunk(3);
  const auto x0 = sample.x0.chunk(3);
  for (size_t k = 0; k < x0.size(); ++k) level.add(denoiser, x0[k], noise[k]);
  return level;
}

double eps_mse(Denoiser& denoiser, double sigma, const Sample& sample) {
  auto rng = make_generator(1, "unused");
  FisherLevel level(sigma, sample.x0.size(1), /*probes=*/0, ControlVariates::none);
  level.add(denoiser, sample.x0, sample.noise, rng);
  return level.estimates().eps_mse.value;
}

void require_within(const Estimate& estimate, double exact) {
  INFO(estimate.value << " +- " << estimate.standard_error << " against " << exact);
  REQUIRE(std::abs(estimate.value - exact) <= 5 * estimate.standard_error);
}

}  // namespace

TEST_CASE("the fitted multiplier lowers the error on its own images by exactly what the fit says",
          "[fisher][oracle]") {
  auto data = two_bumps();
  CalibratedDenoiser scaled(data, constant(GENERATE(0.6, 1.0, 1.7)));
  const double sigma = GENERATE(0.2, 1.0, 10.0);
  const auto sample = draw(data, 300, "fit");
  const auto level = measure(scaled, sigma, sample);
  const auto fit = level.fit();

  CalibratedDenoiser mended(scaled, constant(fit.calibration.value));
  const double drop = eps_mse(scaled, sigma, sample) - eps_mse(mended, sigma, sample);
  REQUIRE_THAT(drop, WithinAbs(fit.drop_fitted, 1e-12));
  REQUIRE(fit.drop_fitted >= 0);
  const double j = fit.fisher_frac_exp.value;
  REQUIRE_THAT(fit.drop_fitted, WithinRel(std::pow(j - fit.fisher_frac_stein.value, 2) / j, 1e-9));

  const auto gain = level.gain(fit.calibration.value);
  REQUIRE_THAT(gain.drop.value, WithinAbs(drop, 1e-12));
  REQUIRE_THAT(gain.eps_mse_before.value, WithinRel(eps_mse(scaled, sigma, sample), 1e-10));
  REQUIRE_THAT(gain.eps_mse_after.value, WithinRel(eps_mse(mended, sigma, sample), 1e-10));
}

TEST_CASE("a score times f has multiplier 1 / f, and gains its Fisher divergence (1 - f)^2 J",
          "[fisher][oracle][statistical]") {
  auto data = two_bumps();
  const double f = GENERATE(0.7, 1.4);
  const double sigma = GENERATE(0.5, 1.0, 5.0);
  CalibratedDenoiser scaled(data, constant(f));
  const double j = sigma * sigma * data.fisher_information(sigma) / 16;
  const double divergence = (1 - f) * (1 - f) * j;

  const auto fit = measure(scaled, sigma, draw(data, 20000, "fit")).fit();
  require_within(fit.calibration, 1 / f);
  require_within(fit.drop_expected, divergence);
  require_within(fit.fisher_frac_exp, f * f * j);
  require_within(fit.fisher_frac_stein, f * j);

  const auto gain = measure(scaled, sigma, draw(data, 20000, "test")).gain(fit.calibration.value);
  require_within(gain.eps_mse_before, 1 - j + divergence);
  require_within(gain.eps_mse_after, 1 - j);
  require_within(gain.drop, divergence);
}

TEST_CASE("the expected drop on fresh images is unbiased where the fit is mostly noise",
          "[fisher][oracle][statistical]") {
  // 400 fits of 40 images to the exact score: nothing can be gained, c is 1 up to noise, and what
  // the fit seems to gain a fresh sample loses again.
  auto data = two_bumps();
  const double sigma = 0.5;
  SampleMoments moments(3);
  for (int k = 0; k < 400; ++k) {
    const auto name = std::to_string(k);
    const auto fit = measure(data, sigma, draw(data, 40, ("fit" + name).c_str())).fit();
    const auto gain =
        measure(data, sigma, draw(data, 40, ("test" + name).c_str())).gain(fit.calibration.value);
    moments.add(
        torch::tensor({{fit.drop_fitted, fit.drop_expected.value, gain.drop.value}}, kDouble));
  }
  require_within(moments.combination({0, 1, -1}), 0);
  REQUIRE(moments.mean(0).value > 5 * moments.mean(0).standard_error);
  REQUIRE(moments.mean(2).value < 0);
}
