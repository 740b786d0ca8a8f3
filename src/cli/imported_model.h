#pragma once

#include <string>

#include "cli/run_options.h"
#include "interop/diffusers_scheduler.h"
#include "interop/foreign_weights.h"
#include "models/network_shape.h"

namespace halcyon {

/// A network of another program on its way to a checkpoint of ours.
struct ImportedModel {
  Recipe recipe;
  ImageShape shape;
  int64_t num_classes;
  std::string origin;        ///< where it comes from: halcyon.origin
  std::string sampler = {};  ///< keys of `halcyon sample` that do as it did: halcyon.sampler
};

/// The recipe of a network whose preconditioning is not ours: fine-tuned by its own loss.
Recipe foreign_recipe(const PreconditioningOptions& preconditioning, const ImageShape& shape);

/// Keys for the command line of `halcyon sample`.
std::string sampler_keys(SamplerOptions options);

/// The file of a checkpoint `out`: itself if it ends in .safetensors, else the one in the folder
/// that is used unless another is asked for.
std::string checkpoint_file(const std::string& out);

/// Writes the checkpoint with the tensors of `weights`, and says what it is.
/// @throws CheckpointError as ForeignWeights::fill(), naming `source`
void write_imported_model(const ImportedModel& model, const ForeignWeights& weights,
                          const NameMap& names, const std::string& source, const std::string& out);

}  // namespace halcyon
