#include "cli/remembering.h"

#include <fmt/format.h>

#include <cmath>
#include <filesystem>

#include "checkpoint/checkpoint.h"
#include "checkpoint/curvature_file.h"
#include "cli/acting_model.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "core/error.h"
#include "core/require.h"
#include "core/torch.h"
#include "io/safetensors.h"

namespace halcyon {
namespace {

constexpr const char* kImages = "images";

std::string curvature_path(const EwcOptions& options) {
  const auto path = options.curvature.empty() ? options.checkpoint + "/fisher/curvature.safetensors"
                                              : options.curvature;
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    throw ConfigError(fmt::format(
        "ewc.curvature: found no file '{}'; want what `halcyon fisher --checkpoint {} --space "
        "parameters --only curvature` writes",
        path, options.checkpoint));
  }
  return path;
}

torch::Tensor draw_replay(const TrainingRun& options, const Model& model) {
  constexpr int64_t kBatch = 64;
  const int64_t count = options.recipe.replay.images;
  Progress progress("replay", "images", count);
  std::vector<torch::Tensor> parts;
  for (int64_t first = 0; first < count; first += kBatch) {
    stop_if_interrupted();
    parts.push_back(draw_samples(model, options.sampler, std::min(kBatch, count - first),
                                 options.recipe.randomness.seed, first)
                        .to(torch::kCPU));
    progress.update(first + parts.back().size(0));
  }
  return torch::cat(parts).contiguous();
}

}  // namespace

void check_remembering(const Recipe& recipe) {
  check_options(recipe.ewc);
  const auto& replay = recipe.replay;
  if (replay.checkpoint.empty()) return;
  const int64_t replayed = replayed_in_batch(recipe);
  require_option(replayed > 0 && replayed < recipe.training.batch, "replay.share",
                 "at least one image of a batch, and not all", replay.share);
  require_option(replay.images > 0, "replay.images", "a whole number > 0", replay.images);
  require_option(!recipe.data.labels, "replay.checkpoint",
                 "data.labels = false: replayed images have no class", replay.checkpoint);
}

std::optional<WeightConsolidation> load_consolidation(const Recipe& recipe,
                                                      const TrainingState& state, int64_t dim) {
  const auto& options = recipe.ewc;
  if (options.checkpoint.empty()) return {};
  const auto path = curvature_path(options);
  const auto anchor = read_weights_of(options.checkpoint, state);
  const auto about = read_safetensors_header(path).metadata;
  std::vector<torch::Tensor> weights;
  for (const auto& item : state.network->named_parameters()) {
    weights.push_back(anchor.at(item.key()));
  }
  require_fitted_to(path, about, network_fingerprint(weights));
  const auto weighting = weighting_of(path, about);
  if (weighting != ParameterWeighting::train) {
    throw CheckpointError(
        fmt::format("'{}': weighting '{}'; want that of the loss, --parameters.weighting train",
                    path, to_text(weighting)));
  }
  return WeightConsolidation(read_curvature(path, ParameterSpace(*state.network)), anchor,
                             options.strength, dim);
}

int64_t replayed_in_batch(const Recipe& recipe) {
  if (recipe.replay.checkpoint.empty()) return 0;
  return std::llround(recipe.replay.share * static_cast<double>(recipe.training.batch));
}

ImageSet replayed_images(const TrainingRun& options, const ImageShape& shape,
                         const std::string& file, torch::Device device) {
  ImageSet set;
  if (std::filesystem::exists(file)) {
    const auto kept = read_safetensors(file).tensors;
    const auto found = kept.find(kImages);
    if (found == kept.end()) throw CheckpointError(fmt::format("'{}': no {}", file, kImages));
    set.images = found->second;
  } else {
    const auto& from = options.recipe.replay.checkpoint;
    const auto model = load_model(from, "ema", /*label=*/-1, device);
    const auto same = model.shape.channels == shape.channels &&
                      model.shape.height == shape.height && model.shape.width == shape.width;
    if (!same) {
      throw ConfigError(fmt::format("replay.checkpoint: '{}' draws {}x{}x{}; want {}x{}x{}", from,
                                    model.shape.channels, model.shape.height, model.shape.width,
                                    shape.channels, shape.height, shape.width));
    }
    set.images = draw_replay(options, model);
    write_safetensors(file, {{kImages, set.images}}, {{"source", from}});
  }
  return set;
}

}  // namespace halcyon
