#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cli/run_options.h"
#include "data/batch_stream.h"
#include "training/train_step.h"
#include "training/training_state.h"
#include "training/weight_consolidation.h"

namespace halcyon {

/// @throws ConfigError naming the key unless the options of ewc and replay make sense together.
void check_remembering(const Recipe& recipe);

/// The penalty of recipe.ewc; nothing if that names no checkpoint.
/// @throws CheckpointError naming the file and the first tensor that does not fit the network
std::optional<WeightConsolidation> load_consolidation(const Recipe& recipe,
                                                      const TrainingState& state, int64_t dim);

/// How many images of a batch are replayed.
int64_t replayed_in_batch(const Recipe& recipe);

/// The images of recipe.replay for images of this shape: as `file` keeps them, or drawn now by the
/// run's sampler and kept there.
ImageSet replayed_images(const TrainingRun& options, const ImageShape& shape,
                         const std::string& file, torch::Device device);

}  // namespace halcyon
