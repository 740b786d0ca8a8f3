#pragma once

#include <cmath>
#include <cstdint>

#include "core/gaussian_mixture.h"
#include "core/random.h"
#include "fisher/fisher_level.h"
#include "tests/support/catch.h"

namespace halcyon::testing {

/// Within `errors` standard errors; an estimate without any noise to 1e-10.
inline void require_estimate(const Estimate& estimate, double exact, double errors = 5) {
  INFO(estimate.value << " +- " << estimate.standard_error << " against " << exact);
  REQUIRE(estimate.count > 1);
  REQUIRE(std::abs(estimate.value - exact) <=
          errors * estimate.standard_error + 1e-10 * std::abs(exact));
}

/// x0 [N, ...] at one noise level, a batch at a time.
inline FisherEstimates measure(Denoiser& denoiser, const torch::Tensor& x0, double sigma,
                               int64_t probes = 1) {
  auto rng = make_generator(23, "test", static_cast<int64_t>(1000 * sigma));
  FisherLevel level(sigma, x0[0].numel(), probes);
  for (const auto& batch : x0.split(5000)) {
    level.add(denoiser, batch, torch::randn(batch.sizes(), rng, batch.options()), rng);
  }
  return level.estimates();
}

/// All estimates against J and the mmse.  Without probes those that need none.
inline void require_levels(const FisherEstimates& e, double fisher_information, double mmse) {
  INFO("sigma " << e.sigma);
  const double variance = e.sigma * e.sigma;
  require_estimate(e.fisher_info_exp, fisher_information);
  require_estimate(e.fisher_info_stein, fisher_information);
  require_estimate(e.fisher_info_low, fisher_information);
  require_estimate(e.eps_mse, mmse / (variance * static_cast<double>(e.dim)));
  require_estimate(e.dsm_loss, mmse / (variance * variance));
  require_estimate(e.virial, 1);
  REQUIRE(std::abs(e.mean_score_z) < 5);
  if (e.probes == 0) return;
  require_estimate(e.fisher_info_obs, fisher_information);
  require_estimate(e.ism_loss, -fisher_information);
  REQUIRE(std::abs(e.dsm_minus_ism_z) < 5);
}

/// Samples for honest errors where what is measured is carried by those that lie past the middle of
/// two modes, 2 `half_distance` apart and `std` wide: so many that 1000 do.
inline int64_t enough_samples(double half_distance, double std) {
  const double share = std::erfc(half_distance / std / std::sqrt(2.0)) / 2;
  return std::max<int64_t>(20000, std::llround(1000 / share));
}

}  // namespace halcyon::testing
