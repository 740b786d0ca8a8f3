#pragma once

#include <memory>
#include <string>
#include <vector>

#include "samplers/options.h"
#include "samplers/sampler.h"

namespace halcyon {

struct SamplerEntry {
  const char* name;     ///< as written in configs
  const char* summary;  ///< one line, for `halcyon list samplers` and the README table
  int order;            ///< convergence order on the probability-flow ODE; 0 if stochastic
  GridSpacing grid;     ///< the spacing it is used with, unless another is asked for
  std::unique_ptr<Sampler> (*make)(const SamplerOptions&);
};

/// Every sampler the toolkit has, in the order they are listed to users.
const std::vector<SamplerEntry>& sampler_registry();

/// @throws ConfigError naming the nearest and all known samplers if options.name is none of them.
std::unique_ptr<Sampler> make_sampler(const SamplerOptions& options);

/// The noise levels that `options` ask for, ending at 0, for a model meant to be evaluated between
/// the given levels.  @throws ConfigError unless steps >= 1 and 0 < sigma_min < sigma_max.
std::vector<double> make_grid(const SamplerOptions& options, double model_sigma_min,
                              double model_sigma_max);

}  // namespace halcyon
