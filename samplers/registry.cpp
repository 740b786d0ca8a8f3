#include "samplers/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <string_view>

#include "core/registry.h"
#include "core/require.h"
#include "samplers/adaptive_runge_kutta.h"
#include "samplers/adjusted_langevin.h"
#include "samplers/ancestral.h"
#include "samplers/deis.h"
#include "samplers/dpm_solver.h"
#include "samplers/dpm_solver_sde.h"
#include "samplers/kinetic_langevin.h"
#include "samplers/langevin.h"
#include "samplers/linear_multistep.h"
#include "samplers/probability_flow.h"
#include "samplers/reverse_sde.h"
#include "samplers/sa_solver.h"
#include "samplers/unipc.h"

namespace halcyon {
namespace {

template <class T>
std::unique_ptr<Sampler> make(const SamplerOptions&) {
  return std::make_unique<T>();
}

template <class T, auto argument>
std::unique_ptr<Sampler> make_of(const SamplerOptions&) {
  return std::make_unique<T>(argument);
}

/// Of a sampler with options of its own.
template <class T, auto section>
std::unique_ptr<Sampler> make_with(const SamplerOptions& options) {
  return std::make_unique<T>(options.*section);
}

std::unique_ptr<Sampler> make_ddpm(const SamplerOptions& options) {
  return std::make_unique<DdpmSampler>(options.variance, options.eps_mse);
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
  if (!(options.langevin.renewal >= 1) || !std::isfinite(options.langevin.renewal)) {
    throw ConfigError(
        fmt::format("sampler.langevin: want renewal >= 1, got {}", options.langevin.renewal));
  }
  return std::make_unique<DpmSolverSdeSampler>(1, options.langevin.renewal - 1);
}

constexpr bool kOde = false;
constexpr bool kSde = true;

const SamplerEntry& entry_of(const SamplerOptions& options) {
  return find_entry(sampler_registry(), options.name, "sampler.name");
}

/// A deque: what refers to a row may keep it when another is added.
std::deque<SamplerEntry>& table() {
  static std::deque<SamplerEntry> entries = {
      {"ddpm", "ancestral sampling, three variances", "Ho et al. 2020; Bao et al. 2022", kSde, 1, 1,
       GridSpacing::vp, 250, make_ddpm},
      {"ddim", "Euler, uniform in t", "Song, Meng and Ermon 2021", kOde, 1, 1, GridSpacing::vp, 100,
       make_ddim},
      {"euler", "Euler, on the Karras grid", "Karras et al. 2022", kOde, 1, 1, GridSpacing::karras,
       100, make<EulerSampler>},
      {"heun", "Heun", "Karras et al. 2022", kOde, 2, 2, GridSpacing::karras, 32,
       make<HeunSampler>},
      {"midpoint", "midpoint in ln sigma: DPM-Solver-2", "Lu et al. 2022", kOde, 2, 2,
       GridSpacing::karras, 32, make<MidpointSampler>},
      {"rk4", "classical Runge-Kutta", "Kutta 1901", kOde, 4, 4, GridSpacing::karras, 16,
       make<Rk4Sampler>},
      {"dopri5", "adaptive Runge-Kutta 5(4)", "Dormand and Prince 1980", kOde, 5, 0,
       GridSpacing::karras, 32, make_with<Dopri5Sampler, &SamplerOptions::ode>},
      {"dpmpp_2s", "DPM-Solver++, single-step", "Lu et al. 2022", kOde, 2, 2, GridSpacing::karras,
       16, make<DpmppSingleStepSampler>},
      {"dpmpp_2m", "DPM-Solver++, multistep of 2 levels", "Lu et al. 2022", kOde, 2, 1,
       GridSpacing::karras, 32, make_of<DpmppMultistepSampler, 2>},
      {"dpmpp_3m", "DPM-Solver++, multistep of 3 levels", "Lu et al. 2022", kOde, 3, 1,
       GridSpacing::karras, 32, make_of<DpmppMultistepSampler, 3>},
      {"unipc_1", "predictor and corrector of 1 level", "Zhao et al. 2023", kOde, 2, 1,
       GridSpacing::karras, 32, make_of<UniPcSampler, 1>},
      {"unipc_2", "predictor and corrector of 2 levels", "Zhao et al. 2023", kOde, 3, 1,
       GridSpacing::karras, 32, make_of<UniPcSampler, 2>},
      {"unipc_3", "predictor and corrector of 3 levels", "Zhao et al. 2023", kOde, 4, 1,
       GridSpacing::karras, 32, make_of<UniPcSampler, 3>},
      {"deis_2", "noise as a polynomial in ln sigma, 2 levels", "Zhang and Chen 2023", kOde, 2, 1,
       GridSpacing::karras, 32, make_of<DeisSampler, 2>},
      {"deis_3", "noise as a polynomial in ln sigma, 3 levels", "Zhang and Chen 2023", kOde, 3, 1,
       GridSpacing::karras, 32, make_of<DeisSampler, 3>},
      {"lms", "Adams-Bashforth in sigma, 4 levels", "Zhang and Chen 2023", kOde, 4, 1,
       GridSpacing::karras, 32, make<LmsSampler>},
      {"ipndm", "Adams-Bashforth of fixed weights", "Zhang and Chen 2023", kOde, 2, 1,
       GridSpacing::vp, 32, make_of<FixedMultistepSampler, MultistepStart::euler>},
      {"plms", "ipndm with Heun's first step", "Liu et al. 2022", kOde, 2, 1, GridSpacing::vp, 32,
       make_of<FixedMultistepSampler, MultistepStart::heun>},
      {"pndm", "ipndm with three steps of Runge-Kutta first", "Liu et al. 2022", kOde, 2, 1,
       GridSpacing::vp, 32, make_of<FixedMultistepSampler, MultistepStart::runge_kutta>},
      {"edm", "Heun with churn", "Karras et al. 2022", kSde, 2, 2, GridSpacing::karras, 100,
       make_with<HeunSampler, &SamplerOptions::churn>},
      {"euler_ancestral", "Euler past the level, and noise back up to it",
       "Song, Meng and Ermon 2021", kSde, 1, 1, GridSpacing::karras, 150,
       make_ancestral<AncestralStep::euler>},
      {"dpm2_ancestral", "midpoint past the level, and noise back up to it", "Lu et al. 2022", kSde,
       2, 2, GridSpacing::karras, 100, make_ancestral<AncestralStep::midpoint>},
      {"dpmpp_2s_ancestral", "DPM-Solver++ 2S past the level, and noise back up to it",
       "Lu et al. 2022", kSde, 2, 2, GridSpacing::karras, 100,
       make_ancestral<AncestralStep::dpmpp_2s>},
      {"dpmpp_2m_sde", "DPM-Solver++ of two past steps on the reverse SDE", "Lu et al. 2022", kSde,
       2, 1, GridSpacing::karras, 50, make_sde<2>},
      {"dpmpp_3m_sde", "DPM-Solver++ of three past steps on the reverse SDE", "Lu et al. 2022",
       kSde, 2, 1, GridSpacing::karras, 50, make_sde<3>},
      {"sa_solver", "stochastic Adams, predicted and corrected", "Xue et al. 2023", kSde, 2, 1,
       GridSpacing::karras, 50, make_with<SaSolverSampler, &SamplerOptions::sa>},
      {"euler_maruyama", "the reverse SDE by Euler and Maruyama", "Song et al. 2021", kSde, 1, 1,
       GridSpacing::geometric, 500, make<EulerMaruyamaSampler>},
      {"pc", "predictor and Langevin corrector in turn", "Song et al. 2021", kSde, 0, 0,
       GridSpacing::geometric, 500, make_with<PredictorCorrectorSampler, &SamplerOptions::pc>},
      {"langevin", "annealed Langevin dynamics, denoised",
       "Song and Ermon 2019; Jolicoeur-Martineau et al. 2020", kSde, 1, 0, GridSpacing::geometric,
       100, make_with<AnnealedLangevinSampler, &SamplerOptions::langevin>},
      {"langevin_consistent", "annealed Langevin whose noise is that of each level",
       "Jolicoeur-Martineau et al. 2020", kSde, 1, 1, GridSpacing::geometric, 1000,
       make_consistent},
      {"langevin_adjusted", "annealed Langevin with Metropolis's choice",
       "Roberts and Tweedie 1996; Song and Ermon 2019", kSde, 0, 0, GridSpacing::geometric, 100,
       make_with<AdjustedLangevinSampler, &SamplerOptions::langevin>},
      {"langevin_kinetic", "annealed underdamped Langevin dynamics", "Leimkuhler and Matthews 2013",
       kSde, 1, 0, GridSpacing::geometric, 100,
       make_with<KineticLangevinSampler, &SamplerOptions::kinetic>},
  };
  return entries;
}

bool is_name(const char* text) {
  const std::string_view name = text == nullptr ? "" : text;
  const auto fits = [](unsigned char c) { return std::isalnum(c) || c == '_'; };
  return !name.empty() && std::all_of(name.begin(), name.end(), fits);
}

}  // namespace

const std::deque<SamplerEntry>& sampler_registry() { return table(); }

void register_sampler(const SamplerEntry& entry) {
  if (!is_name(entry.name)) {
    throw ConfigError(fmt::format("register_sampler: want a name of letters, digits and _, got {}",
                                  entry.name == nullptr ? "null" : entry.name));
  }
  const auto same = [&](const SamplerEntry& other) {
    return std::string_view(other.name) == entry.name;
  };
  if (std::any_of(table().begin(), table().end(), same)) {
    throw ConfigError(fmt::format(
        "register_sampler: there is a sampler '{}' already; want another name", entry.name));
  }
  if (entry.summary == nullptr || entry.paper == nullptr || !entry.make) {
    throw ConfigError(
        fmt::format("register_sampler: '{}': want a summary, a paper and a maker", entry.name));
  }
  table().push_back(entry);
}

std::unique_ptr<Sampler> make_sampler(const SamplerOptions& options) {
  return entry_of(options).make(options);
}

std::vector<double> make_grid(const SamplerOptions& options, const ModelRange& model) {
  const auto& entry = entry_of(options);
  const bool by_sampler = options.grid == GridSpacing::by_sampler;
  auto sigmas = make_grid(by_sampler ? entry.grid : options.grid, entry.steps, options, model);
  if (options.denoise) return sigmas;
  require_option(sigmas.size() > 2, "sampler.denoise",
                 "true where there is one noise level: no other step is left", options.denoise);
  sigmas.pop_back();
  return sigmas;
}

}  // namespace halcyon
