#include <fmt/format.h>
#include <torch/torch.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/checkpoint.h"
#include "cli/command_line.h"
#include "cli/level_files.h"
#include "cli/machine.h"
#include "cli/model_use.h"
#include "cli/pictures.h"
#include "cli/progress.h"
#include "core/calibrated_denoiser.h"
#include "core/error.h"
#include "core/precision.h"
#include "core/registry.h"
#include "core/require.h"
#include "data/image_set.h"
#include "io/atomic_file.h"
#include "io/image_grid.h"
#include "samplers/registry.h"

namespace halcyon {
namespace {

struct SampleCommand {
  CommonOptions common;
  ModelUse use = {.out = "samples"};
  std::string calibration;
  int64_t count = 64;
  int64_t batch = 64;
  int64_t label = -1;
  Precision precision = Precision::automatic;
  int64_t reuse = 1;
  bool tensors = false;
  MachineOptions machine;
  SamplerOptions sampler;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    CommonOptions::fields(self.common, field);
    ModelUse::fields(self.use, field, "image k of a seed is the same whatever the count and batch",
                     "folder for the images, grid.png and samples.json");
    field(self.calibration, "calibration", "file of `halcyon calibrate`; empty: none");
    field(self.count, "count", "images to draw, > 0");
    field(self.batch, "batch", "images drawn at once, > 0");
    field(self.label, "label", "class to draw (class-conditional models); -1: any");
    field(self.precision, "precision", kPrecisionHelp);
    field(self.reuse, "reuse",
          "compute the coarse features of a U-Net in one of so many evaluations only, and take the "
          "last ones between: faster, less exact");
    field(self.tensors, "tensors", "also write samples.safetensors, [N, C, H, W] in model units");
  }
  template <class Self, class Section>
  static void sections(Self& self, Section&& section) {
    section("run", self.machine);
    section("sampler", self.sampler);
  }
};

struct Drawn {
  torch::Tensor x;  // [N, C, H, W] on the CPU
  int64_t nfe;      // per sample
  double seconds;
};

Drawn draw(const SampleCommand& command, const Model& model, Denoiser& denoiser,
           torch::Device device) {
  const auto sigmas = make_grid(command.sampler, model.range);
  const auto sampler = make_sampler(command.sampler);
  CountingDenoiser counted(denoiser);
  Progress progress("sampling", "images", command.count);
  std::vector<torch::Tensor> parts;
  int64_t batches = 0;
  for (int64_t first = 0; first < command.count; first += command.batch, ++batches) {
    const int64_t size = std::min(command.batch, command.count - first);
    if (model.network) model.network->reuse_features(command.reuse);
    parts.push_back(
        draw_samples(*sampler, counted,
                     {size, model.shape.channels, model.shape.height, model.shape.width}, sigmas,
                     command.use.seed, first, torch::TensorOptions(device))
            .to(torch::kCPU));
    progress.update(first + size);
  }
  return {torch::cat(parts), counted.nfe() / batches, progress.seconds()};
}

void write_summary(const SampleCommand& command, const Model& model, const Drawn& drawn) {
  const auto& entry = find_entry(sampler_registry(), command.sampler.name, "sampler.name");
  const auto grid =
      command.sampler.grid == GridSpacing::by_sampler ? entry.grid : command.sampler.grid;
  const auto sigmas = make_grid(command.sampler, model.range);
  const nlohmann::ordered_json summary = {{"sampler", command.sampler.name},
                                          {"variance", to_text(command.sampler.variance)},
                                          {"steps", sigmas.size() - 1},
                                          {"grid", to_text(grid)},
                                          {"sigma_min", sigmas[sigmas.size() - 2]},
                                          {"sigma_max", sigmas.front()},
                                          {"nfe", drawn.nfe},
                                          {"count", command.count},
                                          {"seconds", drawn.seconds},
                                          {"seed", command.use.seed},
                                          {"label", command.label},
                                          {"precision", to_text(command.precision)},
                                          {"reuse", command.reuse},
                                          {"checkpoint", model.source},
                                          {"weights", model.weights},
                                          {"calibration", command.calibration},
                                          {"step", model.step}};
  write_file_atomically(command.use.out + "/samples.json", summary.dump(2) + "\n");
}

}  // namespace

int sample_command(const Arguments& arguments) {
  SampleCommand command;
  if (!parse_command_line("halcyon sample --checkpoint RUN_OR_FILE [--key value ...]", command,
                          arguments)) {
    return 0;
  }
  if (command.count < 1 || command.batch < 1) {
    throw ConfigError(
        fmt::format("want --count and --batch > 0, got {} and {}", command.count, command.batch));
  }
  require_option(command.reuse > 0, "reuse", "a whole number > 0", command.reuse);
  const auto device = set_up_machine(command.machine);
  auto model = load_model(command.use.checkpoint, command.use.weights, command.label, device);
  if (model.network) {
    command.precision = network_precision(model.recipe.model, command.precision, device);
    model.network->use_type(scalar_type(command.precision));
  } else {
    command.precision = Precision::fp32;
  }
  load_sampler_table(command.sampler, model.source, model.range);
  std::optional<CalibratedDenoiser> calibrated;
  if (!command.calibration.empty()) {
    calibrated.emplace(*model.denoiser, load_calibration(command.calibration));
  }
  make_sampler(command.sampler);  // bad options are refused before anything is written
  make_grid(command.sampler, model.range);
  make_directory(command.use.out);
  const auto drawn = draw(
      command, model, calibrated ? static_cast<Denoiser&>(*calibrated) : *model.denoiser, device);

  if (!torch::isfinite(drawn.x).all().item<bool>()) {
    throw NonFiniteError("the samples are not finite numbers: want other sampler options");
  }
  const auto pixels = to_pixels(drawn.x);
  for (int64_t i = 0; i < command.count; ++i) {
    write_png(fmt::format("{}/{:05}.png", command.use.out, i), pixels[i]);
  }
  write_sample_grid(command.use.out + "/grid.png", drawn.x);
  if (command.tensors) {
    write_safetensors(command.use.out + "/samples.safetensors", {{"samples", drawn.x}}, {});
  }
  write_summary(command, model, drawn);
  fmt::print("{} images, {} NFE each, {:.1f} s: {}/grid.png\n", command.count, drawn.nfe,
             drawn.seconds, command.use.out);
  return 0;
}

}  // namespace halcyon
