#include "samplers/registry.h"

#include "core/noise_grid.h"
#include "core/registry.h"
#include "samplers/adaptive_runge_kutta.h"
#include "samplers/ancestral.h"
#include "samplers/deis.h"
#include "samplers/dpm_solver.h"
#include "samplers/langevin.h"
#include "samplers/linear_multistep.h"
#include "samplers/probability_flow.h"
#include "samplers/unipc.h"

namespace halcyon {
namespace {

template <class T>
std::unique_ptr<Sampler> make(const SamplerOptions&) {
  return std::make_unique<T>();
}

template <class T, auto argument>
std::unique_ptr<Sampler> make_with(const SamplerOptions&) {
  return std::make_unique<T>(argument);
}

std::unique_ptr<Sampler> make_dopri5(const SamplerOptions& options) {
  return std::make_unique<Dopri5Sampler>(options.ode);
}

std::unique_ptr<Sampler> make_ddpm(const SamplerOptions& options) {
  return std::make_unique<DdpmSampler>(options.variance, options.eps_mse);
}

std::unique_ptr<Sampler> make_edm(const SamplerOptions& options) {
  return std::make_unique<HeunSampler>(options.churn);
}

std::unique_ptr<Sampler> make_langevin(const SamplerOptions& options) {
  return std::make_unique<AnnealedLangevinSampler>(options.langevin);
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
       make<EulerSampler>},
      {"euler", "Euler, on the Karras grid", "Karras et al. 2022", 1, 1, GridSpacing::karras, 100,
       make<EulerSampler>},
      {"heun", "Heun", "Karras et al. 2022", 2, 2, GridSpacing::karras, 32, make<HeunSampler>},
      {"midpoint", "midpoint in ln sigma: DPM-Solver-2", "Lu et al. 2022", 2, 2,
       GridSpacing::karras, 32, make<MidpointSampler>},
      {"rk4", "classical Runge-Kutta", "Kutta 1901", 4, 4, GridSpacing::karras, 16,
       make<Rk4Sampler>},
      {"dopri5", "adaptive Runge-Kutta 5(4)", "Dormand and Prince 1980", 5, 0, GridSpacing::karras,
       32, make_dopri5},
      {"dpmpp_2s", "DPM-Solver++, single-step", "Lu et al. 2022", 2, 2, GridSpacing::karras, 16,
       make<DpmppSingleStepSampler>},
      {"dpmpp_2m", "DPM-Solver++, multistep of 2 levels", "Lu et al. 2022", 2, 1,
       GridSpacing::karras, 32, make_with<DpmppMultistepSampler, 2>},
      {"dpmpp_3m", "DPM-Solver++, multistep of 3 levels", "Lu et al. 2022", 3, 1,
       GridSpacing::karras, 32, make_with<DpmppMultistepSampler, 3>},
      {"unipc_1", "predictor and corrector of 1 level", "Zhao et al. 2023", 2, 1,
       GridSpacing::karras, 32, make_with<UniPcSampler, 1>},
      {"unipc_2", "predictor and corrector of 2 levels", "Zhao et al. 2023", 3, 1,
       GridSpacing::karras, 32, make_with<UniPcSampler, 2>},
      {"unipc_3", "predictor and corrector of 3 levels", "Zhao et al. 2023", 4, 1,
       GridSpacing::karras, 32, make_with<UniPcSampler, 3>},
      {"deis_2", "noise as a polynomial in ln sigma, 2 levels", "Zhang and Chen 2023", 2, 1,
       GridSpacing::karras, 32, make_with<DeisSampler, 2>},
      {"deis_3", "noise as a polynomial in ln sigma, 3 levels", "Zhang and Chen 2023", 3, 1,
       GridSpacing::karras, 32, make_with<DeisSampler, 3>},
      {"lms", "Adams-Bashforth in sigma, 4 levels", "Zhang and Chen 2023", 4, 1,
       GridSpacing::karras, 32, make<LmsSampler>},
      {"ipndm", "Adams-Bashforth of fixed weights", "Zhang and Chen 2023", 2, 1, GridSpacing::vp,
       32, make_with<FixedMultistepSampler, MultistepStart::euler>},
      {"plms", "ipndm with Heun's first step", "Liu et al. 2022", 2, 1, GridSpacing::vp, 32,
       make_with<FixedMultistepSampler, MultistepStart::heun>},
      {"edm", "Heun with churn", "Karras et al. 2022", 0, 2, GridSpacing::karras, 100, make_edm},
      {"langevin", "annealed Langevin dynamics, denoised",
       "Song and Ermon 2019; Jolicoeur-Martineau et al. 2020", 0, 0, GridSpacing::geometric, 100,
       make_langevin},
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
