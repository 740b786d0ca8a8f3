#pragma once

#include <cstdint>
#include <deque>
#include <functional>
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
  std::function<std::unique_ptr<Sampler>(const SamplerOptions&)> make;
};

/// Every sampler there is, in the order they are listed to users: the toolkit's own, then those
/// that were registered.
const std::deque<SamplerEntry>& sampler_registry();

/// Adds a sampler of yours: from now on its name can be asked for like those of the toolkit.  For
/// the beginning of main(): no other thread may look at the registry meanwhile.
/// @throws ConfigError if the name is taken or is no name, a text is null or there is no maker.
void register_sampler(const SamplerEntry& entry);

/// @throws ConfigError naming the nearest and all known samplers if options.name is none of them.
std::unique_ptr<Sampler> make_sampler(const SamplerOptions& options);

/// The noise levels that `options` ask for, ending at 0 unless they say otherwise (denoise).
/// @throws ConfigError unless steps >= 0, 0 < sigma_min < sigma_max and the levels are distinct,
/// and for options that the grid does not take.
std::vector<double> make_grid(const SamplerOptions& options, const ModelRange& model);

}  // namespace halcyon
