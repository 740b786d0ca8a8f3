#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>

#include "cli/checkpoint.h"
#include "cli/command_line.h"
#include "cli/data_loading.h"
#include "cli/fisher_report.h"
#include "cli/machine.h"
#include "cli/pictures.h"
#include "cli/progress.h"
#include "core/error.h"
#include "io/atomic_file.h"

namespace halcyon {
namespace {

struct FisherCommand {
  CommonOptions common;
  std::string checkpoint;
  std::string weights = "ema";
  uint64_t seed = 0;
  std::string out = "fisher";
  FisherOptions fisher;
  MachineOptions machine;
  DataOptions data;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    CommonOptions::fields(self.common, field);
    field(self.checkpoint, "checkpoint",
          "run directory, step directory, .safetensors file, or toy:NAME for its exact denoiser");
    field(self.weights, "weights", "raw, ema, or ema-HALFLIFE");
    field(self.seed, "seed", "chooses images, noise and probes: equal for models to be compared");
    field(self.out, "out", "folder for fisher_levels.csv and the pictures");
    FisherOptions::fields(self.fisher, field);
  }
  template <class Self, class Section>
  static void sections(Self& self, Section&& section) {
    section("run", self.machine);
    section("data", self.data);
  }
};

constexpr const char* kUsage =
    "halcyon fisher --checkpoint RUN_OR_FILE [--data.path P] [--key value ...]";

bool names_key(const Arguments& arguments, const std::string& key) {
  return std::any_of(arguments.begin(), arguments.end(), [&](const std::string& argument) {
    return argument == "--" + key || argument.rfind("--" + key + "=", 0) == 0;
  });
}

/// The data that the command line names; what it leaves open is as the model was trained, but for
/// the part: the test part, if there is one.
HeldOut load_data(const Arguments& arguments, const Model& model) {
  FisherCommand command;
  command.data = model.recipe.data;
  command.data.limit = 0;  // of the training images
  command.data.labels = false;
  parse_command_line(kUsage, command, arguments);
  const auto set = load_with_warnings(command.data);
  if (names_key(arguments, "data.split")) return {set, to_text(command.data.split)};
  return load_held_out(command.data, set);
}

void require_shape(const ImageSet& set, const Model& model) {
  const auto found = set.images.sizes().slice(1);
  const std::vector<int64_t> wanted = {model.shape.channels, model.shape.height, model.shape.width};
  if (found == torch::IntArrayRef(wanted)) return;
  throw DataError(fmt::format(
      "data.path: images of {}x{}x{} do not fit the model's {}x{}x{}; want data.channels and "
      "data.size of the model",
      found[0], found[1], found[2], wanted[0], wanted[1], wanted[2]));
}

}  // namespace

int fisher_command(const Arguments& arguments) {
  FisherCommand command;
  if (!parse_command_line(kUsage, command, arguments)) return 0;
  check_options(command.fisher);
  const auto device = set_up_machine(command.machine);
  auto model = load_model(command.checkpoint, command.weights, /*label=*/-1, device);
  const auto data = load_data(arguments, model);
  require_shape(data.set, model);
  make_directory(command.out);  // before the long part: a bad folder costs no work

  const auto x0 = choose_images(data.set, command.fisher.images, command.seed).to(device);
  Progress progress("Fisher", "levels", command.fisher.levels);
  const auto levels = measure_levels(*model.denoiser, x0, command.fisher, model.range.sigma_min,
                                     model.range.sigma_max, command.seed,
                                     [&](int64_t done) { progress.update(done); });
  progress.clear();

  const auto reference = fisher_reference(
      data.set, command.data.path.empty() ? model.recipe.data.path : command.data.path);
  write_csv(command.out + "/fisher_levels.csv",
            fisher_table(levels, {model.step, data.split, model.weights}, reference));
  if (!reference.gaussian) {
    fmt::print(stderr, "warning: no Gaussian reference: want more than {} images, got {}\n",
               x0[0].numel(), data.set.images.size(0));
  }
  const auto reason = plot_fisher(command.out, levels, reference);
  if (!reason.empty()) fmt::print(stderr, "warning: no Fisher plot: {}\n", reason);
  write_denoising_picture(command.out + "/denoising.png", *model.denoiser, x0, command.seed);
  fmt::print("{} ({} weights, step {}) on {} {} images; J in 1 / (model units)^2\n{}", model.source,
             model.weights, model.step, x0.size(0), data.split,
             to_text(fisher_summary(levels, reference)));
  fmt::print("{}/fisher_levels.csv, {}/fisher_information.png\n", command.out, command.out);
  return 0;
}

}  // namespace halcyon
