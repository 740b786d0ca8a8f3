#include "checkpoint/checkpoint.h"

#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <algorithm>

#include "config/options.h"
#include "core/empirical_denoiser.h"
#include "core/error.h"
#include "core/torch.h"
#include "data/registry.h"
#include "data/toy_distribution.h"
#include "io/run_directory.h"

namespace halcyon {
namespace {

constexpr const char* kFormat = "1";
constexpr const char* kFirstAverage = "ema.safetensors";

/// "ema" is the first average; the others carry their half-life.
std::string ema_name(const TrainingState& state, size_t k) {
  return k == 0 ? "ema" : fmt::format("ema-{}", state.emas[k].halflife_images);
}

/// Every set of weights of `state` under its name.
std::map<std::string, torch::Tensor> weight_sets(const TrainingState& state) {
  std::map<std::string, torch::Tensor> sets = {{"raw", state.parameters.values()}};
  for (size_t k = 0; k < state.emas.size(); ++k) sets[ema_name(state, k)] = state.emas[k].average;
  return sets;
}

/// Runs `f`; a CheckpointError or ConfigError in it becomes a CheckpointError that names the file.
template <class F>
void naming_file(const std::string& file, F&& f) {
  try {
    f();
  } catch (const UserError& error) {
    throw CheckpointError(fmt::format("'{}': {}", file, error.what()));
  } catch (const c10::Error& error) {
    throw CheckpointError(
        fmt::format("'{}': cannot be used: {}", file, error.what_without_backtrace()));
  } catch (const std::bad_alloc&) {
    throw CheckpointError(fmt::format("'{}': asks for more memory than there is", file));
  }
}

const std::string& metadata(const Metadata& data, const std::string& key) {
  const auto found = data.find(key);
  if (found == data.end()) {
    throw CheckpointError(
        fmt::format("metadata has no '{}': want a model file that halcyon wrote", key));
  }
  return found->second;
}

Recipe read_recipe(const Metadata& data) {
  if (metadata(data, "halcyon.format") != kFormat) {
    throw CheckpointError(
        fmt::format("halcyon.format is {}: want {}", metadata(data, "halcyon.format"), kFormat));
  }
  Recipe recipe;
  recipe.training.precision = Precision::fp32;  // of files that do not know of another
  OptionSet(recipe).read_ini(metadata(data, "halcyon.recipe"), "halcyon.recipe");
  return recipe;
}

ImageShape read_shape(const Metadata& data) {
  const auto sides = from_text<std::vector<int64_t>>(metadata(data, "halcyon.shape"));
  constexpr int64_t kMostSide = 1 << 14;
  const auto bad = [](int64_t side) { return side < 1 || side > kMostSide; };
  if (sides.size() != 3 || std::any_of(sides.begin(), sides.end(), bad)) {
    throw CheckpointError(fmt::format("halcyon.shape: want C,H,W, each in 1 .. {}", kMostSide));
  }
  return {sides[0], sides[1], sides[2]};
}

int64_t read_count(const Metadata& data, const std::string& key) {
  constexpr int64_t kMost = int64_t{1} << 40;
  const auto count = from_text<int64_t>(metadata(data, key));
  if (count < 0 || count > kMost) {
    throw CheckpointError(fmt::format("{}: want a whole number >= 0, got {}", key, count));
  }
  return count;
}

/// Reads the weights where they are to be: they are in memory once.
void load_network(const SafetensorsReader& file, torch::Device device, Model& model) {
  const auto& description = file.metadata();
  model.recipe = read_recipe(description);
  model.shape = read_shape(description);
  model.step = read_count(description, "halcyon.step");
  const auto classes = read_count(description, "halcyon.num_classes");
  model.network = make_network(model.recipe.model, model.shape, classes);
  const torch::NoGradGuard no_grad;
  const auto own = network_tensors(*model.network);
  require_same_layout(file.layout(), own);
  for (const auto& [name, tensor] : own) file.read(name, tensor);
  model.network->to(device);
  model.network->use_type(torch::kFloat32);  // and its memory layout
  model.network->eval();
  model.preconditioning = make_preconditioning(model.recipe.preconditioning);
  model.range = model_range(*model.preconditioning, model.recipe.preconditioning);
}

constexpr std::string_view kEmpirical = "empirical:";

Model empirical_model(const std::string& path) {
  Model model;
  model.recipe.data.path = path;
  auto images = load_image_set(model.recipe.data);
  model.warnings = std::move(images.warnings);
  become_empirical(model, images);
  return model;
}

Model exact_toy(const std::string& path) {
  const auto& toy = find_toy(path);
  Model model;
  model.source = path;
  model.weights = "exact";
  model.recipe.data.path = path;
  model.shape = {toy.shape[0], toy.shape[1], toy.shape[2]};
  model.denoiser = std::make_unique<GaussianMixture>(toy.make());
  return model;
}

/// A model, but for its denoiser if it is a network.
Model read_model(const std::string& checkpoint, const std::string& weights, torch::Device device) {
  if (checkpoint.empty()) {
    throw ConfigError(
        "--checkpoint: want a run directory, a step directory or a .safetensors file");
  }
  if (is_toy(checkpoint)) return exact_toy(checkpoint);
  if (checkpoint.rfind(kEmpirical, 0) == 0) {
    return empirical_model(checkpoint.substr(kEmpirical.size()));
  }
  Model model;
  model.source = resolve_checkpoint(checkpoint, weights + ".safetensors");
  const SafetensorsReader file(model.source);
  naming_file(model.source, [&] {
    model.weights = metadata(file.metadata(), "halcyon.weights");
    load_network(file, device, model);
  });
  return model;
}

}  // namespace

TensorMap network_tensors(const torch::nn::Module& network) {
  TensorMap tensors;
  for (const auto& item : network.named_parameters()) tensors[item.key()] = item.value();
  for (const auto& item : network.named_buffers()) tensors[item.key()] = item.value();
  return tensors;
}

Metadata model_metadata(const Recipe& recipe, const ImageShape& shape, int64_t num_classes) {
  Recipe copy = recipe;
  return {{"halcyon.format", kFormat},
          {"halcyon.recipe", OptionSet(copy).to_ini()},
          {"halcyon.shape", fmt::format("{},{},{}", shape.channels, shape.height, shape.width)},
          {"halcyon.num_classes", std::to_string(num_classes)}};
}

std::map<std::string, SafetensorsFile> checkpoint_files(const TrainingState& state,
                                                        const Recipe& recipe,
                                                        const ImageShape& shape,
                                                        const std::string& data) {
  auto common = model_metadata(recipe, shape, state.network->num_classes());
  common["halcyon.data"] = data;
  common["halcyon.step"] = std::to_string(state.step);
  common["halcyon.images"] = std::to_string(state.images);
  std::map<std::string, SafetensorsFile> files;
  for (const auto& [name, values] : weight_sets(state)) {
    auto described = common;
    described["halcyon.weights"] = name;
    files[name + ".safetensors"] = {state.weights(values), described};
  }
  files["training.safetensors"] = {state.training_tensors(), common};
  return files;
}

void load_training_checkpoint(const std::string& folder, TrainingState& state) {
  const auto load = [&](const std::string& name, auto&& into) {
    const auto file = folder + "/" + name + ".safetensors";
    const auto content = read_safetensors(file);
    naming_file(file, [&] { into(content.tensors); });
  };
  for (const auto& [name, values] : weight_sets(state)) {
    load(name,
         [&, target = values](const TensorMap& tensors) { state.load_weights(tensors, target); });
  }
  load("training", [&](const TensorMap& tensors) { state.load_training_tensors(tensors); });
}

Recipe read_checkpoint_recipe(const std::string& checkpoint) {
  Recipe recipe;
  const auto file = resolve_checkpoint(checkpoint, kFirstAverage);
  const auto header = read_safetensors_header(file);
  naming_file(file, [&] { recipe = read_recipe(header.metadata); });
  return recipe;
}

TensorMap read_weights_of(const std::string& checkpoint, const TrainingState& state) {
  const auto file = resolve_checkpoint(checkpoint, kFirstAverage);
  const auto tensors = read_safetensors(file).tensors;
  naming_file(file,
              [&] { require_same_layout(tensors, state.weights(state.parameters.values())); });
  return tensors;
}

void load_initial_weights(const std::string& checkpoint, TrainingState& state) {
  const auto tensors = read_weights_of(checkpoint, state);
  state.load_weights(tensors, state.parameters.values());
  for (const auto& ema : state.emas) state.load_weights(tensors, ema.average);
}

ModelRange model_range(const Preconditioning& preconditioning,
                       const PreconditioningOptions& options) {
  return {preconditioning.sigma_min(), preconditioning.sigma_max(), process_options(options)};
}

void require_same_recipe(const std::string& folder, const Recipe& now, const std::string& data) {
  const auto file = folder + "/raw.safetensors";
  Recipe then;
  std::string trained_on;
  naming_file(file, [&] {
    const auto header = read_safetensors_header(file);
    then = read_recipe(header.metadata);
    trained_on = metadata(header.metadata, "halcyon.data");
  });
  Recipe copy = now;
  const auto before = OptionSet(then).options();
  const auto after = OptionSet(copy).options();
  for (size_t i = 0; i < before.size(); ++i) {
    const auto& key = before[i].key;
    const bool may_change = key == "training.steps" || key == "data.path" ||
                            (key.rfind("optimizer.", 0) == 0 && key != "optimizer.name");
    if (may_change) continue;
    if (before[i].get() != after[i].get()) {
      throw ConfigError(fmt::format(
          "{}: the run began with '{}' and cannot go on with '{}'; want the same, or a new run.dir",
          key, before[i].get(), after[i].get()));
    }
  }
  if (data != trained_on) {
    throw DataError(fmt::format(
        "data.path: the run began on {} and cannot go on with {}; want the same images, or a new "
        "run.dir",
        trained_on, data));
  }
}

std::string network_fingerprint(const ScoreNetwork& network) {
  return network_fingerprint(network.parameters());
}

std::string network_fingerprint(const std::vector<torch::Tensor>& weights) {
  double sum = 0;
  for (const auto& p : weights) {
    sum += p.to(torch::kFloat64).abs().sum().item<double>();
  }
  return fmt::format("{:.17g}", sum);
}

void become_empirical(Model& model, const ImageSet& images) {
  const auto& sizes = images.images.sizes();
  model.source = fmt::format("empirical:{}", model.recipe.data.path);
  model.weights = "empirical";
  model.step = 0;
  model.shape = {sizes[1], sizes[2], sizes[3]};
  model.denoiser = std::make_unique<EmpiricalDenoiser>(to_model_units(images.images));
  model.network = nullptr;
}

void set_class(Model& model, int64_t label, torch::Device device) {
  const auto classes = model.network ? model.network->num_classes() : 0;
  if (label < -1 || label >= classes) {
    const auto wanted = classes == 0
                            ? "-1: it has no classes"
                            : fmt::format("-1 or one of its classes, 0 .. {}", classes - 1);
    throw ConfigError(fmt::format("--class: want {} ({}), got {}", wanted, model.source, label));
  }
  if (!model.network) return;
  torch::Tensor labels;
  if (label >= 0) {
    labels = torch::full({1}, label, torch::TensorOptions(torch::kInt64).device(device));
  }
  model.denoiser =
      std::make_unique<PreconditionedDenoiser>(*model.network, *model.preconditioning, labels);
}

Model load_model(const std::string& checkpoint, const std::string& weights, int64_t label,
                 torch::Device device) {
  auto model = read_model(checkpoint, weights, device);
  set_class(model, label, device);
  return model;
}

torch::Tensor draw_samples(const Model& model, const SamplerOptions& options, int64_t count,
                           uint64_t seed, int64_t first) {
  const auto& shape = model.shape;
  torch::TensorOptions place;
  if (model.network) place = place.device(model.network->parameters().front().device());
  return draw_samples(*make_sampler(options), *model.denoiser,
                      {count, shape.channels, shape.height, shape.width},
                      make_grid(options, model.range), seed, first, place);
}

}  // namespace halcyon
