#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/noise_schedule.h"
#include "samplers/options.h"

namespace halcyon {

/// Which family of timesteps a diffusers scheduler has.
enum class TimestepFamily {
  ddpm,         ///< whole ones: those of our grids leading, linspace and trailing
  dpm_solver,   ///< linspace and leading of one step more, without the last
  interpolated  ///< linspace not whole; sigma is interpolated linearly
};

struct DiffusersGrid {
  TimestepFamily family;
  std::string spacing;  ///< leading, linspace or trailing
  int64_t steps;
  int64_t offset;  ///< added to the timesteps of leading
};

/// The grid in our options: by its name, or else as its levels (grid = file).
/// @throws ConfigError unless steps in 1 .. T, or if the timesteps leave 0 .. T - 1
SamplerOptions with_grid(SamplerOptions sampler, const DiffusersGrid& grid,
                         const VpSchedule& schedule);

}  // namespace halcyon
