#include "core/empirical_denoiser.h"
#include "fisher/class_information.h"
#include "fisher/empirical_floor.h"
#include "fisher/entropy.h"
#include "fisher/fisher_level.h"
#include "fisher/log_sigma_quadrature.h"
#include "fisher/memorisation.h"
#include "fisher/ode_likelihood.h"
#include "fisher/score_calibration.h"
#include "fisher/score_divergence.h"
#include "tests/fisher/coverage.h"
#include "tests/fisher/draws.h"
#include "tests/fisher/known_laws.h"

// The coverage of what is not of a single level of the curve: coverage_test.cpp.  Each case prints
// its part of the table of docs/fisher.md.  Truths are of closed form, or else what the same
// estimator gives for kMany images, whose own error is then a twentieth of that tested (of the ODE,
// a fourteenth).

using namespace halcyon;
using namespace halcyon::testing;

namespace {

constexpr int64_t kSamples = 2000;
constexpr int64_t kMany = 400 * kSamples;

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
  const double truth = ode_nll(bumps.law, 200000, rng).value;
  REQUIRE_THAT(truth, WithinAbs(bumps.law.entropy(0.5), 0.1));
  Coverage coverage;
  repeat("ode", [&](at::Generator& one) {
    coverage.add("E3 ODE likelihood", ode_nll(bumps.law, 1000, one), truth);
  });
  coverage.require();
}

TEST_CASE("95 % intervals of floors and memorisation", "[fisher][oracle][statistical][slow]") {
  TwoBumps bumps;
  auto rng = make_generator(2026, "memorisation, many");
  const auto training = bumps.law.sample(100, rng);
  Coverage coverage;
  for (const double sigma : {0.5, 1.0, 2.0}) {
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
      // At sigma = 2 there is nothing left of which it could be a share.
      if (sigma < 2) {
        add("memorisation", e.memorisation, truth.memorisation.value);
      } else {
        REQUIRE(e.memorisation.count == 0);
      }
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
