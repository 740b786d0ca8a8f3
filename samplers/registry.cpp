#include "samplers/registry.h"

#include <fmt/format.h>

#include "core/noise_grid.h"
#include "core/registry.h"
#include "samplers/adjusted_langevin.h"
#include "samplers/ancestral.h"
#include "samplers/dpm_solver_sde.h"
#include "samplers/kinetic_langevin.h"
#include "samplers/langevin.h"
#include "samplers/probability_flow.h"
#include "samplers/reverse_sde.h"
#include "samplers/sa_solver.h"

namespace halcyon {
namespace {

template <class T>
std::unique_ptr<Sampler> make(const SamplerOptions&) {
  return std::make_unique<T>();
}

std::unique_ptr<Sampler> make_ddpm(const SamplerOptions& options) {
  return std::make_unique<DdpmSampler>(options.variance, options.eps_mse);
}

std::unique_ptr<Sampler> make_edm(const SamplerOptions& options) {
  return std::make_unique<HeunSampler>(options.churn);
}

std::unique_ptr<Sampler> make_ddim(const SamplerOptions& options) {
  if (options.ddim.eta == 0) return std::make_unique<EulerSampler>();
  return std::make_unique<AncestralSampler>(AncestralStep::euler, options.ddim.eta);
}

template <AncestralStep step>
std::unique_ptr<Sampler> make_ancestral(const SamplerOptions& options) {
  return std::make_unique<AncestralSampler>(step, options.ancestral.eta);
}

template <int order>
std::unique_ptr<Sampler> make_sde(const SamplerOptions& options) {
  return std::make_unique<DpmSolverSdeSampler>(order, options.sde.eta);
}

/// Its step keeps (u / s)^renewal of the noise: that of the SDE of strength renewal - 1.
std::unique_ptr<Sampler> make_consistent(const SamplerOptions& options) {
  if (!(options.langevin.renewal >= 1)) {
    throw ConfigError(
        fmt::format("sampler.langevin: want renewal >= 1, got {}", options.langevin.renewal));
  }
  return std::make_unique<DpmSolverSdeSampler>(1, options.langevin.renewal - 1);
}

/// Of a sampler with options of its own.
template <class T, auto section>
std::unique_ptr<Sampler> make_with(const SamplerOptions& options) {
  return std::make_unique<T>(options.*section);
}

const SamplerEntry& entry_of(const SamplerOptions& options) {
  return find_entry(sampler_registry(), options.name, "sampler.name");
}

}  // namespace

const std::vector<SamplerEntry>& sampler_registry() {
  static const std::vector<SamplerEntry> entries = {
      {"ddpm", "ancestral sampling, three variances", "Ho et al. 2020; Bao et al. 2022", 0, 1,
       GridSpacing::vp, 250, make_ddpm},
      {"ddim", "Euler, uniform in t", "Song, Meng and Ermon 2021", 1, 1, GridSpacing::vp, 100,
       make_ddim},
      {"euler", "Euler, on the Karras grid", "Karras et al. 2022", 1, 1, GridSpacing::karras, 100,
       make<EulerSampler>},
      {"heun", "Heun", "Karras et al. 2022", 2, 2, GridSpacing::karras, 32, make<HeunSampler>},
      {"edm", "Heun with churn", "Karras et al. 2022", 0, 2, GridSpacing::karras, 100, make_edm},
      {"euler_ancestral", "Euler past the level, and noise back up to it",
       "Song, Meng and Ermon 2021", 0, 1, GridSpacing::karras, 150,
       make_ancestral<AncestralStep::euler>},
      {"dpm2_ancestral", "midpoint past the level, and noise back up to it", "Lu et al. 2022", 0, 2,
       GridSpacing::karras, 100, make_ancestral<AncestralStep::midpoint>},
      {"dpmpp_2s_ancestral", "DPM-Solver++ 2S past the level, and noise back up to it",
       "Lu et al. 2022", 0, 2, GridSpacing::karras, 100, make_ancestral<AncestralStep::dpmpp_2s>},
      {"dpmpp_2m_sde", "DPM-Solver++ of two past steps on the reverse SDE", "Lu et al. 2022", 0, 1,
       GridSpacing::karras, 50, make_sde<2>},
      {"dpmpp_3m_sde", "DPM-Solver++ of three past steps on the reverse SDE", "Lu et al. 2022", 0,
       1, GridSpacing::karras, 50, make_sde<3>},
      {"sa_solver", "stochastic Adams, predicted and corrected", "Xue et al. 2023", 0, 1,
       GridSpacing::karras, 50, make_with<SaSolverSampler, &SamplerOptions::sa>},
      {"euler_maruyama", "the reverse SDE by Euler and Maruyama", "Song et al. 2021", 0, 1,
       GridSpacing::geometric, 500, make<EulerMaruyamaSampler>},
      {"pc", "predictor and Langevin corrector in turn", "Song et al. 2021", 0, 0,
       GridSpacing::geometric, 500, make_with<PredictorCorrectorSampler, &SamplerOptions::pc>},
      {"langevin", "annealed Langevin dynamics, denoised",
       "Song and Ermon 2019; Jolicoeur-Martineau et al. 2020", 0, 0, GridSpacing::geometric, 100,
       make_with<AnnealedLangevinSampler, &SamplerOptions::langevin>},
      {"langevin_consistent", "annealed Langevin whose noise is that of each level",
       "Jolicoeur-Martineau et al. 2020", 0, 1, GridSpacing::geometric, 1000, make_consistent},
      {"langevin_adjusted", "annealed Langevin with Metropolis's choice",
       "Roberts and Tweedie 1996; Song and Ermon 2019", 0, 0, GridSpacing::geometric, 100,
       make_with<AdjustedLangevinSampler, &SamplerOptions::langevin>},
      {"langevin_kinetic", "annealed underdamped Langevin dynamics", "Leimkuhler and Matthews 2013",
       0, 0, GridSpacing::geometric, 100,
       make_with<KineticLangevinSampler, &SamplerOptions::kinetic>},
  };
  return entries;
}

std::unique_ptr<Sampler> make_sampler(const SamplerOptions& options) {
  return entry_of(options).make(options);
}

std::vector<double> make_grid(const SamplerOptions& options, const ModelRange& model) {
  const auto& entry = entry_of(options);
  const double low = options.sigma_min == 0 ? model.sigma_min : options.sigma_min;
  const double high = options.sigma_max == 0 ? model.sigma_max : options.sigma_max;
  const int64_t steps = options.steps == 0 ? entry.steps : options.steps;
  const bool by_sampler = options.grid == GridSpacing::by_sampler;
  switch (by_sampler ? entry.grid : options.grid) {
    case GridSpacing::geometric:
      return geometric_grid(low, high, steps);
    case GridSpacing::vp:
      return vp_grid(VpSchedule(model.vp), low, high, steps);
    case GridSpacing::karras:
    case GridSpacing::by_sampler:
      break;
  }
  return karras_grid(low, high, steps, options.rho);
}

}  // namespace halcyon
