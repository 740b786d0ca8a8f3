#pragma once

#include "interop/config_reader.h"
#include "interop/diffusers_scheduler.h"

namespace halcyon {

/// What the config of a ScoreSdeVeScheduler, the VE SDE of Song et al. 2021, describes: the process
/// `ve`, whose levels are twice its own, as its images are in [0, 1] and ours in [-1, 1]; networks
/// of the prediction `score`; and the sampler `pc`.
/// @throws CheckpointError naming the file, the key, its value and what is wanted
DescribedScheduler read_score_sde_ve(ConfigReader& config, int64_t steps);

/// The config of a ScoreSdeVeScheduler of a process `ve`.
nlohmann::ordered_json score_sde_ve_config(const NoiseProcessOptions& ve);

}  // namespace halcyon
