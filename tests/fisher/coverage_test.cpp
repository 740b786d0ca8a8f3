#include "tests/fisher/coverage.h"

#include "fisher/information_likelihood.h"
#include "fisher/observed_information.h"
#include "fisher/score_divergence.h"
#include "fisher/score_moments.h"
#include "tests/fisher/known_laws.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

// Enough of them for honest errors of what the few between the bumps carry: at sigma = 1 one in 27.
constexpr int64_t kSamples = 4000;

/// One batch of draws, and what the law's own denoiser makes of it.
DenoisedBatch draw(GaussianMixture& law, double sigma, at::Generator& rng) {
  const auto x0 = law.sample(kSamples, rng);
  const auto noise = torch::randn(x0.sizes(), rng, x0.options());
  const auto level = torch::full({kSamples}, sigma, torch::kFloat64);
  const auto [denoised, trace] =
      denoise_with_trace(law, x0 + sigma * noise, level, /*probes=*/1, rng);
  return {x0, noise, level, denoised, trace};
}

}  // namespace

// Prints its table, which is that of docs/fisher.md.
TEST_CASE("95 % intervals contain the truth 92 to 98 times in a hundred",
          "[fisher][oracle][statistical][slow]") {
  TwoBumps bumps;
  auto& law = bumps.law;
  ScaledScore scaled(law, 0.9);
  Coverage coverage;
  repeat("coverage", [&](at::Generator& rng) {
    for (const double sigma : {1.0, 3.0}) {
      const double j = law.fisher_information(sigma);
      const double eps_mse = law.mmse(sigma) / (16 * sigma * sigma);
      const auto batch = draw(law, sigma, rng);
      for (const auto& [controls, name] : enum_names(ControlVariates())) {
        ScoreMoments moments(law.dim(), /*probes=*/1, controls);
        moments.add(batch);
        const auto e = moments.estimates();
        const auto add = [&](const char* what, const Estimate& estimate, double truth) {
          coverage.add(fmt::format("{} ({}, {:g})", what, name, sigma), estimate, truth);
        };
        add("J exp", e.fisher_info_exp, j);
        add("J stein", e.fisher_info_stein, j);
        add("J obs", e.fisher_info_obs, j);
        add("J low", e.fisher_info_low, j);
        add("eps_mse", e.eps_mse, eps_mse);
        add("ISM loss", e.ism_loss, -j);
        add("calibration", e.score_calibration, 1);
        add("virial", e.virial, 1);
        add("effective variance", e.effective_variance(), 16 / j - sigma * sigma);
      }
      ScoreDivergence divergence(16);
      divergence.begin_level(sigma);
      const auto x = batch.x0 + sigma * batch.noise;
      divergence.add(batch.denoised, scaled.denoise(x, batch.sigma));
      coverage.add(fmt::format("FD of 0.9 s ({:g})", sigma),
                   divergence.levels().front().fisher_divergence, 0.01 * j);
    }
    // From the Gaussian above sigma_max the bound is 4e-8 nats too large.
    InformationLikelihood likelihood(bumps.gaussian(), 0.5, 100);
    likelihood.add(law, law.sample(kSamples, rng), rng);
    const auto nll = likelihood.estimates();
    const double lowest = law.mmse(0.5) / (16 * 0.25);
    coverage.add("E2 information bound", nll.bound, law.entropy(0.5));
    coverage.add("E2 matched", nll.matched, law.entropy(0.5) + 8 * std::log(lowest));
    coverage.add("E2 eps_mse at sigma_min", nll.eps_mse, lowest);
  });
  coverage.require();
}
