#include <fmt/format.h>
#include <torch/torch.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "cli/batch_choice.h"
#include "cli/checkpoint.h"
#include "cli/command_line.h"
#include "cli/interrupt.h"
#include "cli/level_files.h"
#include "cli/machine.h"
#include "cli/model_use.h"
#include "cli/sample_stream.h"
#include "core/calibrated_denoiser.h"
#include "core/error.h"
#include "core/precision.h"
#include "core/registry.h"
#include "core/require.h"
#include "samplers/registry.h"

namespace halcyon {
namespace {

using Json = nlohmann::ordered_json;

struct SampleCommand {
  CommonOptions common;
  ModelUse use = {.out = "samples"};
  std::string calibration;
  int64_t count = 64;
  int64_t batch = 0;
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
                     "folder for the images, grid.png and samples.json; X.zip (uncompressed) or "
                     "X.safetensors ([N, C, H, W] in model units), with X.png and X.json beside");
    field(self.calibration, "calibration", "file of `halcyon calibrate`; empty: none");
    field(self.count, "count", "images to draw, > 0");
    field(self.batch, "batch", "images drawn at once; 0: as a short measurement finds fast");
    field(self.label, "label", "class to draw (class-conditional models); -1: any");
    field(self.precision, "precision", kPrecisionHelp);
    field(self.reuse, "reuse",
          "compute the coarse features of a U-Net in one of so many evaluations only, and take the "
          "last ones between: faster, less exact");
    field(self.tensors, "tensors", "also write samples.safetensors into the folder");
  }
  template <class Self, class Section>
  static void sections(Self& self, Section&& section) {
    section("run", self.machine);
    section("sampler", self.sampler);
  }
};

/// All that the images depend on, so that a stopped run goes on only as it began.
Json identity(SampleCommand& command, const Model& model) {
  Json identity;
  const OptionSet set(command);
  for (const auto& option : set.options()) {
    const bool elsewhere = option.key == "checkpoint" && model.network != nullptr;
    const bool free = option.key == "help" || option.key == "out" || option.key == "batch" ||
                      option.key == "run.threads";
    if (!free && !elsewhere) identity[option.key] = option.get();
  }
  // A network is known by its weights, wherever it lies, and a table by what is in it.
  if (model.network) identity["network"] = network_fingerprint(*model.network);
  if (!command.calibration.empty()) {
    identity["values of calibration"] = fingerprint(load_calibration(command.calibration));
  }
  if (command.sampler.eps_mse) {
    identity["values of sampler.fisher"] = fingerprint(*command.sampler.eps_mse);
  }
  identity["halcyon"] = HALCYON_VERSION;
  return identity;
}

Json summary(const SampleCommand& command, const Model& model, const SampleStream& stream) {
  const auto& entry = find_entry(sampler_registry(), command.sampler.name, "sampler.name");
  const auto grid =
      command.sampler.grid == GridSpacing::by_sampler ? entry.grid : command.sampler.grid;
  const auto sigmas = make_grid(command.sampler, model.range);
  return {{"sampler", command.sampler.name},
          {"variance", to_text(command.sampler.variance)},
          {"steps", sigmas.size() - 1},
          {"grid", to_text(grid)},
          {"sigma_min", sigmas[sigmas.size() - 2]},
          {"sigma_max", sigmas.front()},
          {"nfe", stream.nfe()},
          {"count", command.count},
          {"batch", stream.progress().batch},
          {"seconds", stream.progress().seconds},
          {"seed", command.use.seed},
          {"label", command.label},
          {"precision", to_text(command.precision)},
          {"reuse", command.reuse},
          {"checkpoint", model.source},
          {"weights", model.weights},
          {"calibration", command.calibration},
          {"step", model.step}};
}

/// Draws what is not there yet and puts it in place.
void draw(const SampleCommand& command, const Model& model, Denoiser& denoiser,
          torch::Device device, SampleStream& stream) {
  stream.open();
  const auto& shape = model.shape;
  auto batch = stream.progress().batch;
  if (batch == 0) {
    batch = measured_batch(command.count, denoiser, {shape.channels, shape.height, shape.width},
                           device);
  }
  const auto sampler = make_sampler(command.sampler);
  const auto sigmas = make_grid(command.sampler, model.range);
  stream.run(batch, denoiser, [&](Denoiser& counted, int64_t first, int64_t size) {
    if (model.network) model.network->reuse_features(command.reuse);
    return draw_samples(*sampler, counted, {size, shape.channels, shape.height, shape.width},
                        sigmas, command.use.seed, first, torch::TensorOptions(device));
  });
  stream.finish(summary(command, model, stream));
}

/// Refuses what can be refused before anything is written.
void check_options(const SampleCommand& command) {
  require_option(command.count > 0, "--count", "a whole number > 0", command.count);
  require_option(command.batch >= 0, "--batch", "a whole number >= 0", command.batch);
  require_option(command.reuse > 0, "--reuse", "a whole number > 0", command.reuse);
  if (command.tensors && sink_format(command.use.out) != SinkFormat::folder) {
    throw ConfigError(fmt::format("--tensors: want a folder as --out, got {}", command.use.out));
  }
}

/// Loads the model and settles what its options leave open.
Model prepare(SampleCommand& command, torch::Device device) {
  auto model = load_model(command.use.checkpoint, command.use.weights, command.label, device);
  if (model.network) {
    command.precision = network_precision(model.recipe.model, command.precision, device);
    model.network->use_type(scalar_type(command.precision));
  } else {
    command.precision = Precision::fp32;
  }
  load_sampler_table(command.sampler, model.source, model.range);
  make_sampler(command.sampler);
  make_grid(command.sampler, model.range);
  return model;
}

}  // namespace

int sample_command(const Arguments& arguments) {
  SampleCommand command;
  if (!parse_command_line("halcyon sample --checkpoint RUN_OR_FILE [--key value ...]", command,
                          arguments)) {
    return 0;
  }
  check_options(command);
  const auto device = set_up_machine(command.machine);
  auto model = prepare(command, device);
  std::optional<CalibratedDenoiser> calibrated;
  if (!command.calibration.empty()) {
    calibrated.emplace(*model.denoiser, load_calibration(command.calibration));
  }
  const auto& out = command.use.out;
  const auto& shape = model.shape;
  SampleStream stream({out,
                       command.count,
                       command.batch,
                       {shape.channels, shape.height, shape.width},
                       command.use.seed,
                       command.tensors,
                       identity(command, model)});
  if (stream.resumed()) {
    fmt::print("{}: going on after {} of {} images\n", out, stream.progress().done, command.count);
  }
  const InterruptGuard interrupt;
  try {
    draw(command, model, calibrated ? static_cast<Denoiser&>(*calibrated) : *model.denoiser, device,
         stream);
  } catch (const Interrupted& interrupted) {
    fmt::print("stopped by signal {} after {} of {} images; the same command goes on\n",
               interrupted.signal, stream.progress().done, command.count);
    return 128 + interrupted.signal;
  }
  fmt::print("{} images, {:g} NFE each, {:.1f} s: {}\n", command.count, stream.nfe().get<double>(),
             stream.progress().seconds, stream.grid_path());
  return 0;
}

}  // namespace halcyon
