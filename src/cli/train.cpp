#include <fmt/format.h>

#include <set>

#include "checkpoint/checkpoint.h"
#include "cli/command_line.h"
#include "cli/data_loading.h"
#include "cli/interrupt.h"
#include "cli/level_files.h"
#include "cli/machine.h"
#include "cli/remembering.h"
#include "cli/training_session.h"
#include "core/error.h"
#include "core/registry.h"
#include "core/require.h"
#include "core/torch.h"
#include "fisher/band_gradients.h"
#include "io/atomic_file.h"
#include "io/environment.h"
#include "kernels/cuda/recorded_work.h"
#include "training/optimizer.h"

namespace halcyon {
namespace {

struct TrainCommand {
  CommonOptions common;
  std::string config;
  bool resume = false;
  TrainingRun run;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    CommonOptions::fields(self.common, field);
    field(self.config, "config", "INI file of keys; keys on the command line come after it");
    field(self.resume, "resume", "go on with the run in run.dir from its newest checkpoint");
  }
  template <class Self, class Section>
  static void sections(Self& self, Section&& section) {
    section("", self.run);
  }
};

/// The defaults that hang on what else is asked for: an optimiser has a learning rate of its own,
/// and a run that begins with other weights goes on with their network.
TrainingRun defaults_for(const TrainingRun& asked) {
  TrainingRun run;
  run.recipe.optimizer.learning_rate =
      find_entry(optimizer_registry(), asked.recipe.optimizer.name, "optimizer.name").rate;
  const auto& init = asked.recipe.training.init;
  if (init.empty()) return run;
  const auto recipe = read_checkpoint_recipe(init);
  run.recipe.model = recipe.model;
  run.recipe.preconditioning = recipe.preconditioning;
  run.recipe.loss = recipe.loss;
  return run;
}

/// Defaults, then the file, then the command line; a run that is resumed brings its own file.
bool read_options(const Arguments& arguments, TrainCommand& command) {
  constexpr const char* kUsage = "halcyon train --config FILE [--run.dir DIR] [--key value ...]";
  TrainCommand first;
  if (!parse_command_line(kUsage, first, arguments)) return false;
  const bool own_file = first.resume && first.config.empty();
  const auto file = own_file ? first.run.run.dir + "/config.ini" : first.config;
  const auto read = [&] {
    if (!file.empty()) OptionSet(command.run).read_ini_file(file);
    return parse_command_line(kUsage, command, arguments);
  };
  if (own_file) return read();
  read();
  // These come before both, and are known only after them.
  command.run = defaults_for(command.run);
  return read();
}

/// Of the model to be.  No preconditioning's depends on sigma_data, which may not be measured yet.
ModelRange range_of(PreconditioningOptions options) {
  if (options.sigma_data == 0) options.sigma_data = 1;
  return model_range(*make_preconditioning(options), options);
}

/// An optimiser that looks at more than the gradient needs the network as it is, and all of the
/// loss to be of the batch.
void require_observable(const TrainingRun& options) {
  const auto& name = options.recipe.optimizer.name;
  if (!find_entry(optimizer_registry(), name, "optimizer.name").observes) return;
  const auto wanted = fmt::format("false with optimizer.name = {}", name);
  require_option(!options.recipe.training.recompute, "training.recompute", wanted.c_str(), "true");
  require_option(!options.run.graph, "run.graph", wanted.c_str(), "true");
  require_option(options.recipe.ewc.checkpoint.empty(), "ewc.checkpoint",
                 fmt::format("none with optimizer.name = {}", name).c_str(),
                 options.recipe.ewc.checkpoint);
}

/// Everything that can be refused before the first step is refused before it.
void check_options(const TrainingRun& options) {
  const auto& run = options.run;
  require_option(run.log_every > 0, "run.log_every", "a whole number > 0", run.log_every);
  const auto most_bands = options.recipe.training.batch / kLeastInBand;
  require_option(run.gradient_bands >= 0 && run.gradient_bands <= most_bands, "run.gradient_bands",
                 fmt::format("a whole number in 0 .. {}, with {} images of the batch each",
                             most_bands, kLeastInBand)
                     .c_str(),
                 run.gradient_bands);
  require_option(run.checkpoint_every >= 0, "run.checkpoint_every", "a whole number >= 0",
                 run.checkpoint_every);
  require_option(run.keep_checkpoints >= 0, "run.keep_checkpoints", "a whole number >= 0",
                 run.keep_checkpoints);
  require_option(run.sample_every >= 0, "run.sample_every", "a whole number >= 0",
                 run.sample_every);
  require_option(run.sample_count > 0, "run.sample_count", "a whole number > 0", run.sample_count);
  require_option(run.fisher_every >= 0, "run.fisher_every", "a whole number >= 0",
                 run.fisher_every);
  const auto& halflives = options.recipe.ema.halflife_images;
  const std::set<double> distinct(halflives.begin(), halflives.end());
  require_option(!halflives.empty() && distinct.size() == halflives.size(), "ema.halflife_images",
                 "at least one half-life and no two alike", to_text(halflives));
  check_options(options.recipe.training);
  check_options(options.recipe.optimizer);
  check_remembering(options.recipe);
  require_observable(options);
  check_options(options.fisher);
}

/// Replaces what was left to be found out, so that config.ini repeats the run.
void resolve(Recipe& recipe, const ImageSet& set, torch::Device device) {
  auto& precision = recipe.training.precision;
  precision = network_precision(recipe.model, precision, device);
  if (!set.images.is_floating_point()) {
    recipe.data.channels = set.images.size(1);
    if (set.images.size(2) == set.images.size(3)) recipe.data.size = set.images.size(2);
  }
  if (recipe.preconditioning.sigma_data == 0) {
    recipe.preconditioning.sigma_data = value_moments(set).standard_deviation;
    if (recipe.preconditioning.sigma_data == 0) {
      throw DataError(fmt::format("data.path = '{}': every pixel has the same value; want images",
                                  recipe.data.path));
    }
  }
}

/// Of a natural gradient the bound is to be the length of a step, not the rate.
void warn_of_short_steps(const OptimizerOptions& options) {
  const auto& entry = find_entry(optimizer_registry(), options.name, "optimizer.name");
  if (!entry.observes || options.natural.kl_clip == 0) return;
  if (options.learning_rate >= 0.1 * entry.rate) return;
  fmt::print(stderr,
             "warning: optimizer.learning_rate = {:g} keeps the steps of {} below the bound "
             "optimizer.natural.kl_clip; {:g} leaves their length to it\n",
             options.learning_rate, options.name, entry.rate);
}

void require_recordable(const TrainingRun& options, torch::Device device) {
  const bool possible = device.is_cuda() && cuda::RecordedWork::may_draw();
  require_option(!options.run.graph || (possible && !options.recipe.training.recompute),
                 "run.graph",
                 "run.device = cuda, CUDA kernels, LibTorch 2.4 or later and no training.recompute",
                 options.run.graph);
}

/// A session that has begun or been resumed.  Of one that cannot begin nothing is left.
std::unique_ptr<TrainingSession> started_session(const TrainCommand& command,
                                                 const ImageSet& images, const HeldOut& held_out,
                                                 torch::Device device) {
  const auto& options = command.run;
  auto directory =
      command.resume ? RunDirectory::open(options.run.dir) : RunDirectory::create(options.run.dir);
  try {
    auto session =
        std::make_unique<TrainingSession>(options, std::move(directory), images, held_out, device);
    command.resume ? session->resume() : session->begin();
    return session;
  } catch (...) {
    if (!command.resume) RunDirectory::discard_unused(options.run.dir);
    throw;
  }
}

}  // namespace

int train_command(const Arguments& arguments) {
  TrainCommand command;
  if (!read_options(arguments, command)) return 0;
  auto& options = command.run;
  // A network that learns a toy comes close to the toy's own table.
  load_sampler_table(options.sampler, options.recipe.data.path,
                     range_of(options.recipe.preconditioning));
  check_options(options);
  warn_of_short_steps(options.recipe.optimizer);
  const auto device = set_up_machine(options.machine);
  require_recordable(options, device);

  const auto images = load_with_warnings(options.recipe.data);
  auto whole = options.recipe.data;
  whole.limit = 0;  // of the training images
  whole.channels = images.images.size(1);
  const auto held_out = load_held_out(whole, [&] { return images; });
  resolve(options.recipe, images, device);
  const auto config = OptionSet(options).to_ini();

  const InterruptGuard interrupt;
  std::unique_ptr<TrainingSession> session;
  try {
    session = started_session(command, images, held_out, device);
  } catch (const Interrupted& interrupted) {
    fmt::print("stopped by signal {} before training began\n", interrupted.signal);
    return 128 + interrupted.signal;
  }
  write_file_atomically(options.run.dir + "/config.ini", config);
  Arguments full = {"halcyon", "train"};
  full.insert(full.end(), arguments.begin(), arguments.end());
  write_environment(options.run.dir + "/environment.json",
                    {HALCYON_VERSION, options.machine.device, full});
  const int code = session->run();
  fmt::print("run directory: {}\n", options.run.dir);
  return code;
}

}  // namespace halcyon
