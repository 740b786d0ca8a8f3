#pragma once

#include <memory>
#include <string>
#include <vector>

#include "samplers/grid_registry.h"
#include "samplers/options.h"
#include "samplers/sampler.h"

namespace halcyon {

struct SamplerEntry {
  const char* name;     ///< as written in configs
  const char* summary;  ///< one line, for `halcyon list samplers`
  const char* paper;    ///< where it is from: "Author year"; several apart by "; "
  bool stochastic;      ///< draws noise on its way
  int order;         ///< of convergence in the number of steps: of x on the probability-flow ODE,
                     ///< of x's variance if stochastic; 0: not by steps alone
  int nfe;           ///< network evaluations a step, start and end apart; 0 if options decide
  GridSpacing grid;  ///< the spacing it is used with, unless another is asked for
  int64_t steps;     ///< and the number of steps
  std::unique_ptr<Sampler> (*make)(const SamplerOptions&);
};

/// Every sampler the toolkit has, in the order they are listed to users.
const std::vector<SamplerEntry>& sampler_registry();

/// @throws ConfigError naming the nearest and all known samplers if options.name is none of them.
std::unique_ptr<Sampler> make_sampler(const SamplerOptions& options);

/// The noise levels that `options` ask for, ending at 0.
/// @throws ConfigError unless steps >= 0, 0 < sigma_min < sigma_max and the levels are distinct,
/// and for options that the grid does not take.
std::vector<double> make_grid(const SamplerOptions& options, const ModelRange& model);

}  // namespace halcyon
