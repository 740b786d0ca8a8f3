#include "samplers/registry.h"

#include "core/registry.h"
#include "samplers/ancestral.h"
#include "samplers/langevin.h"
#include "samplers/probability_flow.h"

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

std::unique_ptr<Sampler> make_langevin(const SamplerOptions& options) {
  return std::make_unique<AnnealedLangevinSampler>(options.langevin);
}

const SamplerEntry& entry_of(const SamplerOptions& options) {
  return find_entry(sampler_registry(), options.name, "sampler.name");
}

}  // namespace

const std::vector<SamplerEntry>& sampler_registry() {
  static const std::vector<SamplerEntry> entries = {
      {"ddpm", "ancestral sampling, three variances (Ho et al. 2020; Bao et al. 2022)", 0,
       GridSpacing::vp, 250, make_ddpm},
      {"ddim", "probability-flow ODE, forward Euler, uniform in t (Song et al. 2021)", 1,
       GridSpacing::vp, 100, make<EulerSampler>},
      {"euler", "probability-flow ODE, forward Euler, on the Karras grid", 1, GridSpacing::karras,
       100, make<EulerSampler>},
      {"heun", "probability-flow ODE, Heun (Karras et al. 2022, Algorithm 2, no churn)", 2,
       GridSpacing::karras, 32, make<HeunSampler>},
      {"edm", "Heun with churn (Karras et al. 2022, Algorithm 2)", 0, GridSpacing::karras, 100,
       make_edm},
      {"langevin", "annealed Langevin dynamics, denoised (Song and Ermon 2019)", 0,
       GridSpacing::geometric, 100, make_langevin},
  };
  return entries;
}

std::unique_ptr<Sampler> make_sampler(const SamplerOptions& options) {
  return entry_of(options).make(options);
}

std::vector<double> make_grid(const SamplerOptions& options, const ModelRange& model) {
  const auto& entry = entry_of(options);
  const bool by_sampler = options.grid == GridSpacing::by_sampler;
  return make_grid(by_sampler ? entry.grid : options.grid, entry.steps, options, model);
}

}  // namespace halcyon
