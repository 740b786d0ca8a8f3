#include <array>

#include "core/empirical_denoiser.h"
#include "fisher/class_information.h"
#include "fisher/empirical_floor.h"
#include "fisher/entropy.h"
#include "fisher/fisher_level.h"
#include "fisher/fisher_maps.h"
#include "fisher/fokker_planck.h"
#include "fisher/intrinsic_dimension.h"
#include "fisher/memorisation.h"
#include "fisher/ode_likelihood.h"
#include "fisher/score_calibration.h"
#include "fisher/score_divergence.h"
#include "fisher/spectrum.h"
#include "tests/fisher/coverage.h"
#include "tests/fisher/gaussian_fields.h"
#include "tests/fisher/known_laws.h"

// The coverage of what is not of a single level of the curve: coverage_test.cpp.  Each case prints
// its part of the table of docs/fisher.md.  Truths are of closed form, or else what the same
// estimator gives for kMany images, whose own error is then a twentieth of that tested.

using namespace halcyon;
using namespace halcyon::testing;

namespace {

constexpr int64_t kSamples = 2000;
constexpr int64_t kMany = 400 * kSamples;

torch::Tensor noise_like(const torch::Tensor& x0, at::Generator& rng) {
  return torch::randn(x0.sizes(), rng, x0.options());
}

Estimate mean_of(const torch::Tensor& values) {
  SampleMoments moments(1);
  moments.add(values.unsqueeze(1));
  return moments.mean(0);
}

/// Calls on_batch(x0, noise) with `count` draws of the law, some thousand at a time.
void for_batches(const GaussianMixture& law, int64_t count, at::Generator& rng,
                 const std::function<void(const torch::Tensor&, const torch::Tensor&)>& on_batch) {
  for (int64_t begin = 0; begin < count; begin += 4000) {
    const auto x0 = law.sample(std::min<int64_t>(4000, count - begin), rng);
    on_batch(x0, noise_like(x0, rng));
  }
}

JacobianLevel jacobian_of(Denoiser& denoiser, const GaussianMixture& law, double sigma,
                          int64_t count, at::Generator& rng) {
  JacobianLevel level(sigma, /*probes=*/2);
  for_batches(law, count, rng,
              [&](const auto& x0, const auto& noise) { level.add(denoiser, x0, noise, rng); });
  return level;
}

MemorisationEstimates memorisation_of(GaussianMixture& law, const torch::Tensor& training,
                                      double sigma, int64_t count, at::Generator& rng) {
  EmpiricalDenoiser memory(training);
  MemorisationLevel level(sigma, law.dim());
  for_batches(law, count, rng, [&](const auto& x0, const auto& noise) {
    const auto drawn = torch::randint(0, training.size(0), {x0.size(0)}, rng, torch::kLong);
    level.add_training(law, memory, training.index_select(0, drawn), noise);
    level.add_held_out(law, x0, noise_like(x0, rng));
  });
  return level.estimates();
}

/// -ln p(x; 0.5) in nats of `count` images with noise 0.5, by 12 steps of RK4.
Estimate ode_nll(GaussianMixture& law, int64_t count, at::Generator& rng) {
  SampleMoments nll(1);
  for_batches(law, count, rng, [&](const auto& x0, const auto& noise) {
    const auto ode = ode_likelihood(law, x0 + 0.5 * noise, law, 0.5, 60, {.steps = 12}, rng);
    nll.add(-ode.log_likelihood.unsqueeze(1));
  });
  return nll.mean(0);
}

}  // namespace

TEST_CASE("95 % intervals of integrals over noise levels", "[fisher][oracle][statistical][slow]") {
  TwoBumps bumps;
  ScaledScore scaled(bumps.law, 0.9);
  const int64_t images = 1000;
  const auto sigmas = log_spaced_levels(1.5, 20, 6);
  // Linear in J, so that their means are their values at the exact J: quadrature and all.
  std::vector<Estimate> exact;
  for (const double sigma : sigmas) exact.push_back({bumps.law.fisher_information(sigma), 0, 1});
  const auto gaussian = bumps.gaussian();
  const double entropy = fisher_entropy(sigmas, exact, gaussian).noised.value;
  double nats = 0;
  const auto weights = log_sigma_weights(sigmas);
  for (size_t k = 0; k < sigmas.size(); ++k) {
    nats += weights[k] * sigmas[k] * sigmas[k] * 0.01 * exact[k].value;
  }
  Coverage coverage;
  repeat("integrals", [&](at::Generator& rng) {
    std::vector<Estimate> low, observed;
    ScoreDivergence divergence(16);
    for (const double sigma : sigmas) {
      FisherLevel level(sigma, 16, /*probes=*/1);
      const auto x0 = bumps.law.sample(images, rng);
      const auto noise = noise_like(x0, rng);
      level.add(bumps.law, x0, noise, rng);
      low.push_back(level.estimates().fisher_info_low);
      observed.push_back(level.estimates().fisher_info_obs);
      divergence.begin_level(sigma);
      const auto x = x0 + sigma * noise;
      const auto at = torch::full({images}, sigma, torch::kFloat64);
      divergence.add(bumps.law.denoise(x, at), scaled.denoise(x, at));
    }
    coverage.add("E1 entropy, from the loss", fisher_entropy(sigmas, low, gaussian).noised,
                 entropy);
    coverage.add("E1 entropy, from -E tr grad s", fisher_entropy(sigmas, observed, gaussian).noised,
                 entropy);
    coverage.add("FD of 0.9 s, in nats", divergence.nats(), nats);
  });
  coverage.require();
}

TEST_CASE("95 % intervals of the class information", "[fisher][oracle][statistical][slow]") {
  TwoBumps bumps;
  const auto sigmas = log_spaced_levels(1, 5, 6);
  const auto weights = log_sigma_weights(sigmas);
  std::vector<double> gaps;  // sigma^2 E |s(x | c) - s(x)|^2
  double exact = 0;
  for (size_t k = 0; k < sigmas.size(); ++k) {
    const double variance = sigmas[k] * sigmas[k];
    gaps.push_back(variance * (16 / (TwoBumps::kVariance + variance) -
                               bumps.law.fisher_information(sigmas[k])));
    exact += weights[k] * gaps[k];
  }
  Coverage coverage;
  repeat("class information", [&](at::Generator& rng) {
    ClassInformation information(sigmas, 16);
    for (const double sign : {-1.0, 1.0}) {
      auto bump = bumps.bump(sign);
      information.add(bump, bumps.law, bump.sample(kSamples / 2, rng), rng);
    }
    coverage.add("E4 class information", information.information(), exact);
    coverage.add("class gap (1)", information.gap(0), gaps[0] / 16);
  });
  coverage.require();
}

TEST_CASE("95 % intervals of the ODE likelihood", "[fisher][oracle][statistical][slow]") {
  TwoBumps bumps;
  auto rng = make_generator(2026, "ode, many");
  const double truth = ode_nll(bumps.law, 40000, rng).value;
  REQUIRE_THAT(truth, WithinAbs(bumps.law.entropy(0.5), 0.1));
  Coverage coverage;
  repeat("ode", [&](at::Generator& one) {
    coverage.add("E3 ODE likelihood", ode_nll(bumps.law, 100, one), truth);
  });
  coverage.require();
}

TEST_CASE("95 % intervals of floors and memorisation", "[fisher][oracle][statistical][slow]") {
  TwoBumps bumps;
  auto rng = make_generator(2026, "memorisation, many");
  const auto training = bumps.law.sample(100, rng);
  Coverage coverage;
  for (const double sigma : {0.5, 2.0}) {
    const auto truth = memorisation_of(bumps.law, training, sigma, kMany, rng);
    repeat("memorisation", [&](at::Generator& one) {
      const auto e = memorisation_of(bumps.law, training, sigma, kSamples, one);
      const auto add = [&](const char* name, const Estimate& estimate, double exact) {
        coverage.add(fmt::format("{} ({:g})", name, sigma), estimate, exact);
      };
      add("empirical floor", e.floor, truth.floor.value);
      add("gap to the memorising score", e.gap, truth.gap.value);
      add("held-out loss", e.held_out_loss, bumps.law.mmse(sigma) / (16 * sigma * sigma));
      add("generalisation gap", e.generalisation_gap, truth.generalisation_gap.value);
      add("loss above the floor", e.excess, truth.excess.value);
      add("memorisation", e.memorisation, truth.memorisation.value);
    });
  }
  coverage.require();
}

TEST_CASE("95 % intervals of the score's multiplier and of what it gains",
          "[fisher][oracle][statistical][slow]") {
  TwoBumps bumps;
  ScaledScore scaled(bumps.law, 0.9);
  Coverage coverage;
  for (const double sigma : {1.0, 3.0}) {
    const double drop = 0.01 * sigma * sigma * bumps.law.fisher_information(sigma) / 16;
    repeat("calibration", [&](at::Generator& rng) {
      const auto x0 = bumps.law.sample(kSamples, rng);
      CalibrationLevel level(sigma);
      level.add(scaled, x0, noise_like(x0, rng));
      const auto add = [&](const char* name, const Estimate& estimate, double exact) {
        coverage.add(fmt::format("{} ({:g})", name, sigma), estimate, exact);
      };
      add("fitted multiplier", level.fit().calibration, 1 / 0.9);
      add("drop expected", level.fit().drop_expected, drop);
      add("drop measured", level.gain(1 / 0.9).drop, drop);
    });
  }
  coverage.require();
}

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
