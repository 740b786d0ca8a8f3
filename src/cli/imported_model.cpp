#include "cli/imported_model.h"

#include <fmt/format.h>

#include <filesystem>

#include "checkpoint/checkpoint.h"
#include "config/options.h"
#include "core/error.h"
#include "io/atomic_file.h"

namespace halcyon {

namespace fs = std::filesystem;

Recipe foreign_recipe(const PreconditioningOptions& preconditioning, const ImageShape& shape) {
  Recipe recipe;
  recipe.preconditioning = preconditioning;
  recipe.loss.distribution = SigmaDistribution::process;
  recipe.loss.weighting = LossWeighting::network;
  recipe.data.channels = shape.channels;
  if (shape.height == shape.width) recipe.data.size = shape.height;
  return recipe;
}

std::string sampler_keys(SamplerOptions options) {
  SamplerOptions defaults;
  const OptionSet set(options);
  const OptionSet ordinary(defaults);
  std::string keys;
  for (size_t i = 0; i < set.options().size(); ++i) {
    const auto& option = set.options()[i];
    if (option.key != "name" && option.get() == ordinary.options()[i].get()) continue;
    keys += fmt::format("{}--sampler.{} {}", keys.empty() ? "" : " ", option.key, option.get());
  }
  return keys;
}

std::string checkpoint_file(const std::string& out) {
  const bool named = fs::path(out).extension() == ".safetensors";
  const auto file = named ? fs::path(out) : fs::path(out) / "ema.safetensors";
  const auto folder = fs::absolute(file).lexically_normal().parent_path();
  const bool of_run = !named && fs::exists(folder / "config.ini");
  if (of_run || fs::exists(folder / "training.safetensors")) {
    throw ConfigError(fmt::format(
        "--out: '{}' would write into a run; want another .safetensors file, or a folder for one",
        out));
  }
  return file.string();
}

void write_imported_model(const ImportedModel& model, const ForeignWeights& weights,
                          const NameMap& names, const std::string& source, const std::string& out) {
  const auto network = make_network(model.recipe.model, model.shape, model.num_classes);
  const auto tensors = network_tensors(*network);
  try {
    weights.fill(tensors, names);
  } catch (const CheckpointError& error) {
    throw CheckpointError(fmt::format("{}: {}", source, error.what()));
  }
  auto metadata = model_metadata(model.recipe, model.shape, model.num_classes);
  metadata["halcyon.weights"] = "ema";
  metadata["halcyon.data"] = "unknown";
  metadata["halcyon.step"] = "0";
  metadata["halcyon.images"] = "0";
  metadata["halcyon.origin"] = model.origin;
  if (!model.sampler.empty()) metadata["halcyon.sampler"] = model.sampler;
  const auto file = checkpoint_file(out);
  require_file_place(file);
  write_safetensors(file, tensors, metadata);
  int64_t count = 0;
  for (const auto& parameter : network->parameters()) count += parameter.numel();
  fmt::print("{} parameters on images of {}x{}x{}{}: {}\n", count, model.shape.channels,
             model.shape.height, model.shape.width,
             model.num_classes > 0 ? fmt::format(" of {} classes", model.num_classes) : "", file);
}

}  // namespace halcyon
