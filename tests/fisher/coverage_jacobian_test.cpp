#include "fisher/fisher_level.h"
#include "fisher/fisher_maps.h"
#include "fisher/fokker_planck.h"
#include "fisher/intrinsic_dimension.h"
#include "fisher/log_sigma_quadrature.h"
#include "fisher/spectrum.h"
#include "tests/fisher/coverage.h"
#include "tests/fisher/draws.h"
#include "tests/fisher/gaussian_fields.h"
#include "tests/fisher/known_laws.h"

// The coverage of what comes of the Jacobian of the denoiser, and of maps: see
// coverage_parts_test.cpp.

using namespace halcyon;
using namespace halcyon::testing;

namespace {

constexpr int64_t kSamples = 2000;
constexpr int64_t kMany = 400 * kSamples;

Estimate mean_of(const torch::Tensor& values) {
  SampleMoments moments(1);
  moments.add(values.unsqueeze(1));
  return moments.mean(0);
}

JacobianLevel jacobian_of(Denoiser& denoiser, const GaussianMixture& law, double sigma,
                          int64_t count, at::Generator& rng) {
  JacobianLevel level(sigma, /*probes=*/2);
  for_batches(law, count, rng,
              [&](const auto& x0, const auto& noise) { level.add(denoiser, x0, noise, rng); });
  return level;
}

}  // namespace

TEST_CASE("95 % intervals of the Jacobian", "[fisher][oracle][statistical][slow]") {
  TwoBumps bumps;
  auto& law = bumps.law;
  RotatedScore rotated(law, 0.5);
  auto rng = make_generator(2026, "jacobian, many");
  const auto many = jacobian_of(law, law, 1.0, kMany, rng);
  const double heat_flow = heat_flow_residual(many, jacobian_of(law, law, 1.2, kMany, rng)).value;
  const double frobenius = many.estimates(1).frobenius.value;
  const double asymmetry = jacobian_of(rotated, law, 1.0, kMany, rng).estimates(1).asymmetry.value;
  Coverage coverage;
  repeat("jacobian", [&](at::Generator& one) {
    const auto low = jacobian_of(law, law, 1.0, 2 * kSamples, one);
    const auto high = jacobian_of(law, law, 1.2, 2 * kSamples, one);
    const auto turned = jacobian_of(rotated, law, 1.0, 2 * kSamples, one);
    const auto e = low.estimates(/*bins=*/4);
    coverage.add("tr grad D", e.trace, law.mmse(1.0));
    coverage.add("|grad D|^2", e.frobenius, frobenius);
    coverage.add("slope of error on prediction", e.tweedie_slope, 1);
    coverage.add("asymmetry of a rotated score", turned.estimates(1).asymmetry, asymmetry);
    coverage.add("heat-flow residual", heat_flow_residual(low, high), heat_flow);
  });
  coverage.require();
}

TEST_CASE("95 % intervals of dimension, spectrum and z-scores",
          "[fisher][oracle][statistical][slow]") {
  TwoBumps bumps;
  auto& law = bumps.law;
  auto rng = make_generator(2026, "dimension, many");
  SampleMoments many(1);
  for_batches(law, kMany, rng, [&](const auto& x0, const auto&) {
    many.add(flipd(law, x0, 1.0, /*probes=*/1, rng).unsqueeze(1));
  });
  const double leading = 1 - (law.fisher_information(1.0) - 15 / 1.25);
  Coverage coverage;
  repeat("dimension", [&](at::Generator& one) {
    const auto x0 = law.sample(kSamples, one);
    const auto noise = noise_like(x0, one);
    coverage.add("dimension from the mmse", mean_of(mmse_dimension(law, x0, noise, 1.0)),
                 law.mmse(1.0));
    coverage.add("dimension by FLIPD", mean_of(flipd(law, x0, 1.0, /*probes=*/1, one)),
                 many.mean(0).value);
    const auto spectrum =
        denoiser_spectrum(law, x0 + noise, 1.0, {.top = 1, .steps = 3, .batch = kSamples}, one);
    coverage.add("leading eigenvalue of grad D",
                 {spectrum.eigenvalues[0].item<double>(),
                  spectrum.eigenvalue_errors[0].item<double>(), kSamples},
                 leading);
    coverage.add("tr grad D from the spectrum", spectrum.trace, law.mmse(1.0));
    FisherLevel level(2.0, 16, /*probes=*/1, ControlVariates::none);
    level.add(law, x0, noise, one);
    const auto e = level.estimates();
    coverage.add_z("mean score z (2)", e.mean_score_z);
    coverage.add_z("virial z (2)", e.virial_z());
    coverage.add_z("consistency z (2)", e.consistency_z);
    coverage.add_z("DSM less ISM z (2)", e.dsm_minus_ism_z);
  });
  coverage.require();
}

TEST_CASE("95 % intervals of maps", "[fisher][oracle][statistical][slow]") {
  // One image many times over: each is a repetition.
  constexpr int64_t kCopies = Coverage::kRepetitions;
  const auto lambda = torch::tensor({4.0, 1.0, 0.25, 0.0}, torch::kFloat64).view({1, 1, 2, 2});
  auto rng = make_generator(2026, "maps");
  const auto turn = std::get<0>(torch::linalg_qr(torch::randn({4, 4}, rng, torch::kFloat64)));
  GaussianMixture law(torch::ones({1}), torch::zeros({1, 4}), lambda.flatten(), turn);
  const auto image = torch::tensor({1.0, -2.0, 0.5, 0.3}, torch::kFloat64);
  const auto x0 = image.view({1, 1, 2, 2}).expand({kCopies, 1, 2, 2}).contiguous();
  const auto sigmas = log_spaced_levels(0.3, 3, 4);
  std::vector<FisherMaps> levels;
  for (const double sigma : sigmas) levels.push_back(measure_maps(law, x0, sigma, 400, rng));

  const double variance = sigmas[0] * sigmas[0];
  const auto a =
      turn.matmul(torch::diag(lambda.flatten() / (lambda.flatten() + variance))).matmul(turn.t());
  const auto left = torch::eye(4, torch::kFloat64) - a;
  // eps_hat = (1 - A)(x_0 / sigma + n), and the error A sigma n - (1 - A) x_0
  const auto fisher = (left.matmul(image).square() / variance + left.square().sum(1)).contiguous();
  const auto error_at = [&](double sigma) {
    const auto shrink = lambda.flatten() / (lambda.flatten() + sigma * sigma);
    const auto at = turn.matmul(torch::diag(shrink)).matmul(turn.t());
    return sigma * sigma * at.square().sum(1) + (image - at.matmul(image)).square();
  };
  auto nll = torch::zeros({4}, torch::kFloat64);
  const auto weights = log_sigma_weights(sigmas);
  for (size_t k = 0; k < sigmas.size(); ++k) {
    nll += weights[k] / (sigmas[k] * sigmas[k]) * error_at(sigmas[k]);
  }
  Coverage coverage;
  const auto add = [&](const char* name, const MapEstimate& map, const torch::Tensor& exact) {
    for (int64_t i = 0; i < kCopies; ++i) {
      coverage.add(name,
                   {map.value.flatten(1)[i][0].item<double>(),
                    map.standard_error.flatten(1)[i][0].item<double>(), map.count},
                   exact[0].item<double>());
    }
  };
  const auto& maps = levels.front();
  add("map of the information, a pixel", maps.fisher, fisher);
  add("map of the observed information", maps.fisher_obs, left.diagonal());
  add("map of the error", maps.error, error_at(sigmas[0]));
  add("map of the posterior variance", maps.posterior_variance, variance * a.diagonal());
  add("map of the sensitivity", maps.sensitivity, a.square().sum(0));
  add("map of -ln p", nll_map(levels), nll);
  coverage.require();
}
