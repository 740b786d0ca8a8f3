#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/recipe.h"
#include "core/denoiser.h"
#include "core/preconditioning.h"
#include "data/image_set.h"
#include "io/safetensors.h"
#include "models/network_shape.h"
#include "samplers/registry.h"
#include "training/training_state.h"

namespace halcyon {

// A checkpoint is a folder of safetensors files (docs/checkpoint_format.md): raw.safetensors,
// ema.safetensors and ema-HALFLIFE.safetensors hold weights, each a model by itself, and
// training.safetensors what a resumed run needs beside them.

/// Parameters and buffers by name: the tensors of a file of weights.
TensorMap network_tensors(const torch::nn::Module& network);

/// What the header of a file of weights says of its model.
Metadata model_metadata(const Recipe& recipe, const ImageShape& shape, int64_t num_classes);

/// The files of a checkpoint of `state`, by name.  `data` is the fingerprint of the training
/// images.
std::map<std::string, SafetensorsFile> checkpoint_files(const TrainingState& state,
                                                        const Recipe& recipe,
                                                        const ImageShape& shape,
                                                        const std::string& data);

/// Puts the checkpoint in `folder` into `state`.  @throws CheckpointError naming the file.
void load_training_checkpoint(const std::string& folder, TrainingState& state);

/// The recipe of a checkpoint that load_model() knows, other than an exact denoiser.
/// @throws CheckpointError naming the file
Recipe read_checkpoint_recipe(const std::string& checkpoint);

/// The weights of such a checkpoint, of its first average, which are those of the state's network.
/// @throws CheckpointError naming the file and the first tensor that does not fit
TensorMap read_weights_of(const std::string& checkpoint, const TrainingState& state);

/// Puts the weights of such a checkpoint, of its first average, into `state`, averages included.
/// @throws CheckpointError naming the file and the first tensor that does not fit
void load_initial_weights(const std::string& checkpoint, TrainingState& state);

/// Which key of `now` differs from the recipe in the checkpoint and may not: all but
/// training.steps, data.path and optimizer.* other than its name, and the images themselves by
/// their fingerprint.
/// @throws ConfigError or DataError naming it and both values.
void require_same_recipe(const std::string& folder, const Recipe& now, const std::string& data);

/// Where a model of this preconditioning is meant to be evaluated.
ModelRange model_range(const Preconditioning& preconditioning,
                       const PreconditioningOptions& options);

/// A trained model, or the exact denoiser of a toy or of a set of images, ready to be sampled and
/// measured.
struct Model {
  std::string source;   ///< the file, toy:NAME or empirical:PATH
  std::string weights;  ///< raw, ema, ema-HALFLIFE, exact or empirical
  int64_t step = 0;
  Recipe recipe;
  ImageShape shape = {};
  ModelRange range;
  std::shared_ptr<ScoreNetwork> network;  ///< none for an exact denoiser
  std::unique_ptr<Preconditioning> preconditioning;
  std::unique_ptr<Denoiser> denoiser;
  std::vector<std::string> warnings;  ///< of the images that an empirical denoiser is made of
};

/// A text that tells the weights of one network from those of another.
std::string network_fingerprint(const ScoreNetwork& network);
std::string network_fingerprint(const std::vector<torch::Tensor>& weights);

/// Puts the exact denoiser of the images, those of model.recipe.data, into the model.
void become_empirical(Model& model, const ImageSet& images);

/// From now on model.denoiser, a network's, denoises images of the class `label`, or of any: -1.
/// @throws ConfigError for a class that the model does not have.
void set_class(Model& model, int64_t label, torch::Device device);

/// checkpoint: a run directory (its newest checkpoint), a step directory, a .safetensors file,
/// toy:NAME, or empirical:PATH for the exact denoiser of the training images of a data set.
/// weights: raw, ema or ema-HALFLIFE.  label: as for set_class.
/// @throws CheckpointError for a file that is missing, damaged or no model of ours; ConfigError as
/// set_class.
Model load_model(const std::string& checkpoint, const std::string& weights = "ema",
                 int64_t label = -1, torch::Device device = torch::kCPU);

/// Images first .. first + count - 1 of `seed`, [count, C, H, W] in model units, by the sampler and
/// the grid that `options` name.  Image k does not depend on the batch that it is drawn in.
/// @throws ConfigError as make_sampler() and make_grid().
torch::Tensor draw_samples(const Model& model, const SamplerOptions& options, int64_t count,
                           uint64_t seed = 0, int64_t first = 0);

}  // namespace halcyon
