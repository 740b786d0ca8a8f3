#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/clamped_denoiser.h"
#include "core/preconditioning.h"
#include "samplers/options.h"

namespace halcyon {

/// What a scheduler of another program says: the noise process that a network was trained in and
/// what it predicts, and the sampler and noise levels that come nearest to it.
struct DescribedScheduler {
  std::string name;
  PreconditioningOptions preconditioning;
  /// With grid = file, the levels are in grid_levels; there is no file of them yet.
  SamplerOptions sampler;
  ClampOptions clamp;
  /// What of it the sampler does not do, a line each.
  std::vector<std::string> notes;
};

/// What the scheduler_config.json of a diffusers scheduler describes.  Keys that it leaves out have
/// diffusers' defaults.  `steps` is the number of sampling steps; 0: as many as its pipelines take.
/// @throws CheckpointError naming `file`, the key, its value and what is wanted, for a scheduler or
/// a process that we do not have; ConfigError for steps out of range.
DescribedScheduler read_diffusers_scheduler(const std::string& config, const std::string& file,
                                            int64_t steps);

/// The scheduler_config.json of our process: a DDPMScheduler, or a ScoreSdeVeScheduler of `ve`.
/// @throws ConfigError naming the key under preconditioning for what diffusers has no counterpart
/// of.
nlohmann::ordered_json diffusers_scheduler_config(const PreconditioningOptions& preconditioning);

}  // namespace halcyon
