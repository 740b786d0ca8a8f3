#pragma once

#include <vector>

#include "core/process_registry.h"
#include "samplers/options.h"

namespace halcyon {

/// The noise levels that a model is meant to be evaluated at, and its noise process.
struct ModelRange {
  double sigma_min = 0.002;
  double sigma_max = 80;
  NoiseProcessOptions noise = {.name = "edm"};
};

/// What a spacing is made from: the range that is asked for, or else the model's.
struct GridRequest {
  double sigma_min, sigma_max;
  int64_t steps;
  const SamplerOptions& options;
  const NoiseProcessOptions& noise;
};

struct GridEntry {
  const char* name;  ///< as written in configs
  GridSpacing spacing;
  const char* summary;  ///< one line, for `halcyon list grids`
  bool own_range;       ///< takes neither sampler.sigma_min nor sampler.sigma_max
  std::vector<double> (*make)(const GridRequest&);
};

/// Every spacing of noise levels, in the order they are listed to users; not by_sampler.
const std::vector<GridEntry>& grid_registry();

/// The noise levels of `spacing` that `options` ask for, ending at 0; `steps` of them where the
/// options leave it open.
/// @throws ConfigError unless steps >= 0, 0 < sigma_min < sigma_max and the levels are distinct,
/// and for options that the spacing does not take.
std::vector<double> make_grid(GridSpacing spacing, int64_t steps, const SamplerOptions& options,
                              const ModelRange& model);

}  // namespace halcyon
