#include <fmt/format.h>

#include <set>
#include <sstream>

#include "cli/data_loading.h"
#include "cli/evaluation_data.h"
#include "cli/fisher_folder.h"
#include "cli/fisher_job.h"
#include "cli/interrupt.h"
#include "cli/level_files.h"
#include "cli/machine.h"
#include "config/text_value.h"
#include "core/calibrated_denoiser.h"
#include "core/error.h"
#include "core/registry.h"
#include "core/require.h"
#include "core/torch.h"
#include "data/toy_distribution.h"
#include "io/atomic_file.h"

namespace halcyon {
namespace {

constexpr const char* kUsage =
    "halcyon fisher --checkpoint RUN_OR_FILE [--data.path P] [--only PART,PART] [--key value ...]";

void check_options(const FisherCommand& command) {
  check_options(command.fisher, "--");
  check_options(command.parameters);
  require_option(command.detail_levels >= 2, "--detail_levels", "a whole number >= 2",
                 command.detail_levels);
  require_option(command.detail_images >= 4, "--detail_images", "a whole number >= 4",
                 command.detail_images);
  require_option(command.panel_images > 0, "--panel_images", "a whole number > 0",
                 command.panel_images);
}

/// The parts of --only and --check_kl in their order; all that can be done if there are none.
std::vector<FisherPart> chosen_parts(const FisherCommand& command) {
  std::set<std::string> names;
  const auto choose = [&](const std::string& name, const char* option) {
    const auto& part = find_entry(fisher_parts(), name, option);
    if (part.space != command.space) {
      throw ConfigError(
          fmt::format("{}: '{}' wants --space {}", option, name, to_text(part.space)));
    }
    names.insert(part.name);
  };
  std::istringstream words(command.only);
  for (std::string name; std::getline(words, name, ',');) choose(name, "--only");
  if (command.check_kl) choose("steps", "--check_kl");
  std::vector<FisherPart> parts;
  for (const auto& part : fisher_parts()) {
    const bool named = names.count(part.name) > 0;
    const bool possible = part.run != measure_divergence || !command.against.empty();
    if (part.space != command.space) continue;
    if (named && !possible) throw ConfigError("--only: 'divergence' wants --against CHECKPOINT");
    if (named || (names.empty() && possible)) parts.push_back(part);
  }
  return parts;
}

/// The model that is measured but for its denoiser: for `empirical` that waits for the images.
Model load_measured_model(const FisherCommand& command, torch::Device device) {
  if (command.denoiser == MeasuredDenoiser::exact) {
    if (!is_toy(command.data.path)) {
      throw ConfigError(
          fmt::format("denoiser = exact: want data.path = toy:NAME, got '{}'", command.data.path));
    }
    return load_with_warnings(command.data.path, "", /*label=*/-1, device);
  }
  const bool needed = command.denoiser == MeasuredDenoiser::checkpoint;
  if (!needed && command.use.checkpoint.empty()) return {};
  return load_with_warnings(command.use.checkpoint, command.use.weights, /*label=*/-1, device);
}

FisherJob prepare(FisherCommand& command, const Arguments& arguments) {
  const auto device = set_up_machine(command.machine);
  auto model = load_measured_model(command, device);
  command.data = data_options(kUsage, FisherCommand(), arguments, model);
  auto training_options = command.data;
  training_options.split = model.recipe.data.split;
  TrainingData training(training_options);
  if (command.denoiser == MeasuredDenoiser::empirical) {
    model.recipe.data = training_options;
    become_empirical(model, training.images());
  }
  std::unique_ptr<Denoiser> uncalibrated;
  if (!command.calibration.empty()) {
    uncalibrated = std::move(model.denoiser);
    model.denoiser =
        std::make_unique<CalibratedDenoiser>(*uncalibrated, load_calibration(command.calibration));
    model.weights += " calibrated";
  }
  const bool split_is_named = names_key(arguments, "data.split");
  auto data = load_measured(command.data, split_is_named, model);
  if (!split_is_named && data.split == to_text(training_options.split)) {  // none held out
    training = TrainingData(training_options, data.set);
  }
  FisherStudy study(data.set, command.fisher, model.range, command.use.seed, device);
  study.require_enough_images();
  return {command,          std::move(model),       device, std::move(training), std::move(data),
          std::move(study), std::move(uncalibrated)};
}

}  // namespace

const std::vector<FisherPart>& fisher_parts() {
  static const std::vector<FisherPart> parts = {
      {"floors",
       "the least loss on the training images, and memorisation",
       measure_floors,
       {"fisher_floors.csv"}},
      {"curve",
       "J and its bounds, calibration and z-scores at every noise level",
       measure_curve,
       {"fisher_levels.csv", "fisher_information.png", "fisher_fraction.png", "denoising.png"}},
      {"maps", "pictures of where the information is, pixel by pixel", measure_maps, {}},
      {"spectrum",
       "eigenvalues and eigen-images of the mean denoiser Jacobian",
       measure_spectrum,
       {"fisher_spectrum.jsonl", "eigen_images.png", "spectrum.png"}},
      {"jacobian",
       "symmetry, positivity and calibrated uncertainty",
       measure_jacobian,
       {"fisher_jacobian.csv", "reliability.csv", "reliability.png"}},
      {"dimension",
       "intrinsic dimension, three ways",
       measure_dimension,
       {"intrinsic_dimension.csv", "intrinsic_dimension.png"}},
      {"divergence",
       "distance to the score of --against, in nats",
       measure_divergence,
       {"fisher_divergence.csv"}},
      {"likelihood",
       "-ln p in nats and bits/dim; what the class tells",
       measure_likelihood,
       {"fisher_integrals.csv"}},
      {"traces",
       "true and empirical Fisher information of the parameters, layer by layer",
       measure_parameters,
       {"fisher_parameters.csv", "parameters.png", "parameter_diagonal.safetensors",
        "parameter_diagonal_se.safetensors"},
       FisherSpace::parameters},
      {"eigenvalues",
       "of the parameters' Fisher information; effective parameters",
       measure_parameter_spectrum,
       {"parameter_spectrum.jsonl", "parameter_spectrum.png", "spectral_density.png",
        "effective_parameters.png"},
       FisherSpace::parameters},
      {"steps",
       "the divergence of steps of the parameters against its quadratic form",
       measure_parameter_steps,
       {"parameter_steps.csv", "parameter_steps.png"},
       FisherSpace::parameters},
      {"curvature",
       "the parameters' Fisher matrix by blocks, kept in a file for other commands",
       measure_parameter_curvature,
       {"curvature.safetensors"},
       FisherSpace::parameters},
  };
  return parts;
}

int fisher_command(const Arguments& arguments) {
  FisherCommand command;
  if (!parse_command_line(kUsage, command, arguments)) return 0;
  check_options(command);
  const auto parts = chosen_parts(command);
  make_directory(command.use.out);  // before the long part: a bad folder costs no work
  auto job = prepare(command, arguments);
  require_own_folder(job, parts);

  const InterruptGuard interrupt;
  std::vector<FisherPart> done;
  try {
    for (const auto& part : parts) {
      job.alarms[part.name];  // looked for, if none is found
      part.run(job);
      done.push_back(part);
      write_fisher_summary(job, done);
      stop_if_interrupted();
    }
  } catch (const Interrupted& interrupted) {
    fmt::print(
        "stopped by signal {}; the same command goes on: measured levels of the curve are kept\n",
        interrupted.signal);
    return 128 + interrupted.signal;
  }
  for (const auto& [part, alarms] : job.alarms) {
    for (const auto& alarm : alarms) fmt::print("alarm: {}\n", alarm);
  }
  fmt::print("{}: fisher_summary.json and what it was made of\n", command.use.out);
  return 0;
}

}  // namespace halcyon
