#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "cli/batch_choice.h"
#include "cli/data_loading.h"
#include "cli/evaluation_data.h"
#include "cli/interrupt.h"
#include "cli/level_files.h"
#include "cli/machine.h"
#include "cli/sample_options.h"
#include "cli/sample_stream.h"
#include "cli/sample_summary.h"
#include "cli/trajectory.h"
#include "core/error.h"
#include "core/recording_denoiser.h"
#include "core/require.h"
#include "core/torch.h"
#include "samplers/noised_start.h"
#include "samplers/registry.h"

namespace halcyon {
namespace {

/// What every batch is drawn with.
struct SampleJob {
  const SampleCommand& command;
  Steered& steered;
  torch::Device device;
  std::unique_ptr<Sampler> sampler;
  std::vector<double> sigmas;

  torch::Tensor draw_with(Denoiser& denoiser, int64_t first, int64_t size) const {
    const auto seed = command.use.seed;
    if (steered.start) {
      return draw_samples_from(*sampler, denoiser, steered.start->of(first, size), sigmas, seed,
                               first);
    }
    const auto& shape = steered.model.shape;
    return draw_samples(*sampler, denoiser, {size, shape.channels, shape.height, shape.width},
                        sigmas, seed, first, torch::TensorOptions(device));
  }

  SampleStream::Drawn draw(Denoiser& denoiser, int64_t first, int64_t size,
                           const SampleStream& stream) const {
    if (steered.model.network) steered.model.network->reuse_features(command.reuse);
    CountingDenoiser counted(denoiser);
    const auto before = steered.second_evaluations();
    torch::Tensor images;
    if (first == 0 && command.trajectory > 0) {
      RecordingDenoiser record(counted, command.trajectory);
      images = draw_with(record, first, size);
      write_trajectory(stream.trajectory_stem(), record.levels(), images);
    } else {
      images = draw_with(counted, first, size);
    }
    return {images, counted.nfe() + steered.second_evaluations() - before};
  }
};

/// Draws what is not there yet and puts it in place.
void draw(const SampleCommand& command, Steered& steered, torch::Device device,
          SampleStream& stream) {
  stream.open();
  if (stream.resumed()) {
    fmt::print("{}: going on after {} of {} images\n", command.use.out, stream.progress().done,
               command.count);
  }
  const auto& model = steered.model;
  const auto& shape = model.shape;
  auto& denoiser = steered.denoiser();
  auto batch = stream.progress().batch;
  if (batch == 0) {
    batch = measured_batch(command.count, denoiser, {shape.channels, shape.height, shape.width},
                           device);
  }
  const SampleJob job{command, steered, device, make_sampler(command.sampler),
                      sample_grid_levels(command, model)};
  const bool shown = std::filesystem::exists(stream.trajectory_stem() + ".png");
  if (stream.resumed() && command.trajectory > 0 && !shown) {
    job.draw(denoiser, /*first=*/0, std::min(batch, command.count), stream);
  }
  stream.run(batch, denoiser, [&](Denoiser& inner, int64_t first, int64_t size) {
    return job.draw(inner, first, size, stream);
  });
  stream.finish(sample_summary(command, model, stream));
}

/// Refuses options of guidance that would have no effect.
void check_guidance(const SampleCommand& command) {
  const auto& [options, checkpoint, weights] = command.guidance;
  const auto refuse = [&](const char* key) {
    throw ConfigError(
        fmt::format("{}: counts only with guidance; want a guidance.weight other than 1", key));
  };
  if (!command.guided()) {
    if (!checkpoint.empty()) refuse("guidance.checkpoint");
    if (options.low != 0) refuse("guidance.low");
    if (options.high != 0) refuse("guidance.high");
    if (options.rescale != 0) refuse("guidance.rescale");
  }
  if (checkpoint.empty() && weights != GuidanceSection().weights) {
    throw ConfigError("guidance.weights: counts only with guidance.checkpoint");
  }
}

/// Refuses what can be refused before anything is written.
void check_options(const SampleCommand& command, bool count_is_named) {
  constexpr int64_t kMost = int64_t{1} << 32;  // beyond, images would share streams of noise
  require_option(command.count > 0 && command.count <= kMost, "--count",
                 "a whole number in 1 .. 4294967296", command.count);
  require_option(command.batch >= 0, "--batch", "a whole number >= 0", command.batch);
  require_option(command.reuse > 0, "--reuse", "a whole number > 0", command.reuse);
  require_option(command.trajectory >= 0, "--trajectory", "a whole number >= 0",
                 command.trajectory);
  if (command.tensors && sink_format(command.use.out) != SinkFormat::folder) {
    throw ConfigError(fmt::format("--tensors: want a folder as --out, got {}", command.use.out));
  }
  check_guidance(command);
  if (command.start.used() && count_is_named) {
    throw ConfigError(
        "--count: with start.image as many are drawn as there are images times start.copies; want "
        "start.copies or start.limit");
  }
  if (!command.start.used() && command.start.sigma != 0) {
    throw ConfigError("start.sigma: counts only with images; want start.image");
  }
}

/// Whether evaluations are to be recorded.
bool wants_graph(const SampleCommand& command, const Model& model, torch::Device device) {
  const bool possible = device.is_cuda() && model.network && command.reuse == 1;
  if (command.graph == Switch::on && !possible) {
    throw ConfigError(fmt::format(
        "--graph: 'on' wants a network on a GPU (run.device = cuda) and reuse = 1, got {} on {} "
        "and reuse = {}",
        model.network ? "a network" : "an exact denoiser", device.str(), command.reuse));
  }
  return possible && command.graph != Switch::off;
}

/// Loads the model and settles what its options leave open.
Model load(SampleCommand& command, torch::Device device) {
  auto model =
      load_with_warnings(command.use.checkpoint, command.use.weights, command.label, device);
  if (model.network) {
    command.precision = network_precision(model.recipe.model, command.precision, device);
    model.network->use_type(scalar_type(command.precision));
    model.network->fix_weights();
  } else {
    command.precision = Precision::fp32;
  }
  const bool graph = wants_graph(command, model, device);
  if (model.network) model.network->replay_evaluations(graph);
  load_sampler_table(command.sampler, model.source, model.range);
  return model;
}

std::unique_ptr<Steered> prepare(SampleCommand& command, torch::Device device) {
  auto steered = std::make_unique<Steered>(Steered{load(command, device)});
  const auto& model = steered->model;
  if (command.start.used()) {
    steered->start = load_start_images(command.start, model, device);
    command.count = steered->start->count();
    sample_grid_levels(command, model);
  }
  if (command.guided()) {
    steered->guidance.emplace(command.guidance, model, command.label, command.precision, device);
  }
  if (!command.calibration.empty()) {
    auto table = load_calibration(command.calibration);
    steered->calibrated.emplace(steered->denoiser(), std::move(table));
  }
  if (command.clamp.used()) steered->clamped.emplace(steered->denoiser(), command.clamp);
  return steered;
}

}  // namespace

int sample_command(const Arguments& arguments) {
  SampleCommand command;
  if (!parse_command_line("halcyon sample --checkpoint RUN_OR_FILE [--key value ...]", command,
                          arguments)) {
    return 0;
  }
  if (names_key(arguments, "class") && names_key(arguments, "label")) {
    throw ConfigError("--label: is another name of --class; want one of them");
  }
  return sample_images(command, names_key(arguments, "count"));
}

int sample_images(SampleCommand command, bool count_is_named) {
  check_options(command, count_is_named);
  const auto device = set_up_machine(command.machine);
  const auto steered = prepare(command, device);
  const auto& shape = steered->model.shape;
  SampleStream stream({command.use.out,
                       command.count,
                       command.batch,
                       {shape.channels, shape.height, shape.width},
                       command.use.seed,
                       command.tensors,
                       sample_identity(command, *steered)});
  const InterruptGuard interrupt;
  try {
    draw(command, *steered, device, stream);
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
