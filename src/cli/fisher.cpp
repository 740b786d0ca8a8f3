#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>

#include "cli/evaluation_data.h"
#include "cli/fisher_job.h"
#include "cli/interrupt.h"
#include "cli/level_files.h"
#include "cli/machine.h"
#include "core/calibrated_denoiser.h"
#include "core/error.h"
#include "core/registry.h"
#include "core/require.h"
#include "data/toy_distribution.h"
#include "io/atomic_file.h"

namespace halcyon {
namespace {

constexpr const char* kUsage =
    "halcyon fisher --checkpoint RUN_OR_FILE [--data.path P] [--only PART,PART] [--key value ...]";

/// The parts of --only, in their order.
std::vector<FisherPart> chosen_parts(const std::string& only) {
  if (only.empty()) return fisher_parts();
  std::set<std::string> names;
  std::istringstream words(only);
  for (std::string name; std::getline(words, name, ',');) {
    names.insert(find_entry(fisher_parts(), name, "only").name);
  }
  std::vector<FisherPart> parts;
  for (const auto& part : fisher_parts()) {
    if (names.count(part.name) > 0) parts.push_back(part);
  }
  return parts;
}

/// The model that is measured but for its denoiser: for `empirical` that waits for the images.
Model load_measured(FisherCommand& command, torch::Device device) {
  if (command.denoiser == MeasuredDenoiser::exact) {
    if (!is_toy(command.data.path)) {
      throw ConfigError(
          fmt::format("denoiser = exact: want data.path = toy:NAME, got '{}'", command.data.path));
    }
    return load_model(command.data.path, "", /*label=*/-1, device);
  }
  const bool needed = command.denoiser == MeasuredDenoiser::checkpoint;
  if (!needed && command.checkpoint.empty()) return {};
  return load_model(command.checkpoint, command.weights, /*label=*/-1, device);
}

/// The data that the command line names; what it leaves open is as the model was trained.
DataOptions data_options(const Arguments& arguments, const Model& model) {
  FisherCommand command;
  command.data = model.recipe.data;
  parse_command_line(kUsage, command, arguments);
  return command.data;
}

/// The split that the user named, or else the test part if there is one.
HeldOut measured_images(const Arguments& arguments, DataOptions options, const ImageSet& training) {
  if (names_key(arguments, "data.split")) {
    return {load_with_warnings(options), to_text(options.split)};
  }
  options.limit = 0;  // of the training images
  options.labels = training.labels.defined();
  return load_held_out(options, training);
}

FisherJob prepare(FisherCommand& command, const Arguments& arguments) {
  const auto device = set_up_machine(command.machine);
  auto model = load_measured(command, device);
  command.data = data_options(arguments, model);
  auto training_options = command.data;
  training_options.split = model.recipe.data.split;
  auto training = load_with_warnings(training_options);
  if (command.denoiser == MeasuredDenoiser::empirical) {
    model.recipe.data = training_options;
    become_empirical(model, training);
  }
  std::unique_ptr<Denoiser> uncalibrated;
  if (!command.calibration.empty()) {
    uncalibrated = std::move(model.denoiser);
    model.denoiser =
        std::make_unique<CalibratedDenoiser>(*uncalibrated, load_calibration(command.calibration));
    model.weights += " calibrated";
  }
  auto data = measured_images(arguments, command.data, training);
  require_shape(data.set, model);
  auto reference = fisher_reference(training, command.data.path);
  FisherStudy study(data.set, mean_image(training), command.fisher, model.range, command.seed,
                    device);
  study.require_enough_images();
  return {command,         std::move(model),     device,           std::move(training),
          std::move(data), std::move(reference), std::move(study), std::move(uncalibrated)};
}

/// What was found of the same model on the same data before, by other parts.
nlohmann::json earlier_summary(const std::string& file, const nlohmann::json& identity) {
  if (!std::filesystem::exists(file)) return identity;
  auto earlier = nlohmann::json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
  if (!earlier.is_object()) return identity;
  for (const auto& [key, value] : identity.items()) {
    if (!earlier.contains(key) || earlier[key] != value) return identity;
  }
  return earlier;
}

void write_summary(const FisherJob& job) {
  nlohmann::json summary;
  summary["source"] = job.model.source;
  summary["weights"] = job.model.weights;
  summary["step"] = job.model.step;
  summary["split"] = job.data.split;
  summary["data"] = fingerprint(job.data.set);
  summary["images_per_level"] = job.study.count();
  summary["dim"] = job.study.dim();
  summary["seed"] = job.options.seed;
  summary["halcyon"] = HALCYON_VERSION;
  summary = earlier_summary(job.path("fisher_summary.json"), summary);
  summary.update(job.summary);
  // Without the curve nothing was checked that could give cause for most of them.
  if (!job.levels.empty()) summary["alarms"] = job.alarms;
  write_file_atomically(job.path("fisher_summary.json"), summary.dump(2) + "\n");
}

}  // namespace

const std::vector<FisherPart>& fisher_parts() {
  static const std::vector<FisherPart> parts = {
      {"floors", "the least loss on the training images, and memorisation", measure_floors},
      {"curve", "J and its bounds, calibration and z-scores at every noise level", measure_curve},
      {"maps", "pictures of where the information is, pixel by pixel", measure_maps},
      {"spectrum", "eigenvalues and eigen-images of the mean denoiser Jacobian", measure_spectrum},
      {"jacobian", "symmetry, positivity and calibrated uncertainty", measure_jacobian},
      {"dimension", "intrinsic dimension, three ways", measure_dimension},
      {"divergence", "distance to the score of --against, in nats", measure_divergence},
      {"integrals", "entropy in nats and bits/dim; what the class tells", measure_integrals},
  };
  return parts;
}

void stop_if_interrupted() {
  if (InterruptGuard::signal() != 0) throw Interrupted{InterruptGuard::signal()};
}

int fisher_command(const Arguments& arguments) {
  FisherCommand command;
  if (!parse_command_line(kUsage, command, arguments)) return 0;
  check_options(command.fisher);
  require_option(command.detail_levels >= 2, "detail_levels", "a whole number >= 2",
                 command.detail_levels);
  require_option(command.detail_images >= 4, "detail_images", "a whole number >= 4",
                 command.detail_images);
  require_option(command.panel_images > 0, "panel_images", "a whole number > 0",
                 command.panel_images);
  const auto parts = chosen_parts(command.only);
  make_directory(command.out);  // before the long part: a bad folder costs no work
  auto job = prepare(command, arguments);

  const InterruptGuard interrupt;
  try {
    for (const auto& part : parts) {
      part.run(job);
      stop_if_interrupted();
    }
  } catch (const Interrupted& interrupted) {
    fmt::print(
        "stopped by signal {}; the same command goes on: measured levels of the curve are kept\n",
        interrupted.signal);
    return 128 + interrupted.signal;
  }
  for (const auto& alarm : job.alarms) fmt::print("alarm: {}\n", alarm);
  write_summary(job);
  fmt::print("{}: fisher_summary.json and what it was made of\n", command.out);
  return 0;
}

}  // namespace halcyon
