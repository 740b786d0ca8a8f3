#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "cli/data_loading.h"
#include "cli/estimate_text.h"
#include "cli/evaluation_data.h"
#include "cli/level_files.h"
#include "cli/machine.h"
#include "cli/model_use.h"
#include "cli/restoration.h"
#include "cli/restore_method.h"
#include "cli/restore_report.h"
#include "cli/restore_task.h"
#include "core/error.h"
#include "core/precision.h"
#include "core/random.h"
#include "core/require.h"
#include "core/torch.h"
#include "io/atomic_file.h"

namespace halcyon {
namespace {

struct RestoreCommand {
  CommonOptions common;
  ModelUse use = {.out = "restored"};
  std::string input;
  bool degraded = false;
  std::string task = "inpaint";
  std::string method = "pigdm";
  double noise = 0.05;
  double variance = 0;
  int64_t label = -1;
  int64_t images = 8;
  int64_t samples = 4;
  int64_t batch = 32;
  Precision precision = Precision::fp32;
  RestoreTaskOptions tasks;
  RestoreMethodOptions methods;
  MachineOptions machine;
  DataOptions data;
  SamplerOptions sampler;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    CommonOptions::fields(self.common, field);
    ModelUse::fields(self.use, field, "chooses images, masks and noise",
                     "folder for restored.png, restored.safetensors and restore.json");
    field(self.input, "input", "images, as data.path; empty: those held out of the model's data");
    field(self.degraded, "degraded", "the images are measurements already: there is no truth");
    field(self.task, "task", "what was lost; `halcyon list tasks` names them");
    field(self.method, "method", "how to draw; `halcyon list methods` names them");
    field(self.noise, "noise", "S in y = A x + S n, in model units (-1 to 1), >= 0");
    field(self.variance, "variance", "of the data, per number (pigdm, dps); 0: as it is known");
    field(self.label, "class", "of the images (class-conditional models); -1: any");
    field(self.images, "images", "images to restore, > 0; as many as there are");
    field(self.samples, "samples", "draws of each, in 1 .. 1024");
    field(self.batch, "batch", "draws made at once, > 0");
    field(self.precision, "precision", kPrecisionHelp);
  }
  template <class Self, class Section>
  static void sections(Self& self, Section&& section) {
    section("", self.tasks);
    section("", self.methods);
    section("run", self.machine);
    section("data", self.data);
    section("sampler", self.sampler);
  }
};

constexpr const char* kUsage =
    "halcyon restore --checkpoint RUN_OR_FILE [--input IMAGES] [--task T] [--method M] "
    "[--key value ...]";

void check_options(const RestoreCommand& o, const Arguments& arguments) {
  require_option(o.noise >= 0 && std::isfinite(o.noise), "--noise", "a number >= 0", o.noise);
  require_option(o.variance >= 0 && std::isfinite(o.variance), "--variance", "a number >= 0",
                 o.variance);
  require_option(o.images > 0, "--images", "a whole number > 0", o.images);
  require_option(o.samples > 0 && o.samples <= 1024, "--samples", "a whole number in 1 .. 1024",
                 o.samples);
  require_option(o.batch > 0, "--batch", "a whole number > 0", o.batch);
  if (!takes_sampler(o.method) && names_key(arguments, "sampler.name")) {
    throw ConfigError(fmt::format(
        "sampler.name: {} is a sampler of its own; want none, or --method pigdm or dps", o.method));
  }
  if (o.degraded && o.input.empty()) {
    throw ConfigError("--degraded: want the measurements as --input");
  }
}

Model prepare(RestoreCommand& command, torch::Device device) {
  auto model =
      load_with_warnings(command.use.checkpoint, command.use.weights, command.label, device);
  if (model.network) {
    command.precision = network_precision(model.recipe.model, command.precision, device);
    model.network->use_type(scalar_type(command.precision));
    // Gradients are of images only.
    for (auto& parameter : model.network->parameters()) parameter.requires_grad_(false);
  } else {
    command.precision = Precision::fp32;
  }
  load_sampler_table(command.sampler, model.source, model.range);
  return model;
}

/// Measurements as they were given.  A masked image comes whole.
torch::Tensor given_measurements(const RestoreCommand& command, const LinearOperator& measure) {
  auto options = command.data;
  options.size = 0;  // as found
  const auto set = load_with_warnings(options);
  const auto& wanted = measure.is_mask() ? measure.image_shape() : measure.measurement_shape();
  if (set.images.sizes().slice(1) != torch::IntArrayRef(wanted)) {
    throw DataError(fmt::format(
        "--input: measurements of {}x{}x{}; want {}x{}x{} for --task {} with this model",
        set.images.size(1), set.images.size(2), set.images.size(3), wanted[0], wanted[1], wanted[2],
        command.task));
  }
  const auto y = choose_images(set, command.images, command.use.seed, Dequantization::none).x0;
  return measure.is_mask() ? measure.apply(y) : y;
}

/// Truth, if there is one, and measurements.
Restored degrade(const RestoreCommand& command, const Arguments& arguments, const Model& model,
                 const LinearOperator& measure) {
  if (command.degraded) return {{}, given_measurements(command, measure), {}};
  const bool split_is_named = names_key(arguments, "data.split");
  const auto set = load_measured(command.data, split_is_named, model).set;
  const auto x0 = choose_images(set, command.images, command.use.seed, Dequantization::none).x0;
  auto y = measure.apply(x0);
  auto rng = make_generator(command.use.seed, "measurement noise");
  y = y + command.noise * torch::randn(y.sizes(), rng, y.options());
  return {x0, y, {}};
}

double data_variance(const RestoreCommand& command, const Model& model, const Restored& restored) {
  if (command.variance > 0) return command.variance;
  const double deviation = model.recipe.preconditioning.sigma_data;
  if (deviation > 0) return deviation * deviation;
  if (!restored.truth.defined()) {
    throw ConfigError("--variance: want that of the data, which this checkpoint does not know");
  }
  return restored.truth.var().item<double>();
}

/// [d, d], of up to 10000 training images.
torch::Tensor data_covariance(const RestoreCommand& command, const Model& model) {
  if (command.method != "pigdm" || command.methods.pigdm.covariance != CovarianceChoice::data) {
    return {};
  }
  const auto set = load_with_warnings(model.recipe.data);
  require_shape(set, model);
  const auto x = choose_images(set, 10000, command.use.seed, Dequantization::none)
                     .x0.flatten(1)
                     .to(torch::kFloat64);
  if (x.size(0) < 2) throw DataError("data.path: pigdm.covariance = data wants 2 images or more");
  const auto centred = x - x.mean(0, /*keepdim=*/true);
  return centred.t().matmul(centred) / static_cast<double>(x.size(0) - 1);
}

nlohmann::ordered_json summary(const RestoreCommand& command, const Model& model, double variance,
                               const RestoredFigures& figures, double nfe, double seconds) {
  const auto levels = make_grid(command.sampler, model.range);
  nlohmann::ordered_json json = {
      {"task", command.task},
      {"method", command.method},
      {"sampler", takes_sampler(command.method) ? command.sampler.name : command.method},
      {"steps", levels.size() - (levels.back() == 0 ? 1 : 0)},
      {"class", command.label},
      {"noise", command.noise},
      {"data_variance", variance},
      {"images", figures.residual.count},
      {"samples", command.samples},
      {"nfe", nfe},
      {"seconds", seconds},
      {"seed", command.use.seed},
      {"checkpoint", model.source},
      {"weights", model.weights},
      {"step", model.step}};
  json.update(to_json(figures, command.noise));
  return json;
}

}  // namespace

int restore_command(const Arguments& arguments) {
  RestoreCommand command;
  if (!parse_command_line(kUsage, command, arguments)) return 0;
  check_options(command, arguments);
  const auto device = set_up_machine(command.machine);
  const auto model = prepare(command, device);
  command.data = data_options(kUsage, RestoreCommand(), arguments, model);
  if (!command.input.empty()) command.data.path = command.input;
  const auto measure = make_operator(command.task, command.tasks,
                                     {model.shape.channels, model.shape.height, model.shape.width},
                                     command.use.seed);
  const auto given = degrade(command, arguments, model, *measure);
  const double variance = data_variance(command, model, given);
  const auto method =
      make_method(command.method, command.methods, command.sampler,
                  {*measure, command.noise, variance, data_covariance(command, model)});
  const auto& out = command.use.out;
  make_directory(out);  // before the long part: a bad folder costs no work

  const auto start = std::chrono::steady_clock::now();
  Restoration restoration({.path = out + "/restored.safetensors",
                           .samples = command.samples,
                           .batch = command.batch,
                           .seed = command.use.seed,
                           .metadata = {{"task", command.task}, {"method", command.method}}},
                          *model.denoiser, *measure, *method,
                          make_grid(command.sampler, model.range));
  restoration.run(given, device);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const auto figures = restoration.figures();
  const auto json = summary(command, model, variance, figures, restoration.nfe(), seconds);
  write_restored_picture(out + "/restored.png", restoration.shown(), *measure);
  write_file_atomically(out + "/restore.json", json.dump(2) + "\n");
  fmt::print("{} by {}: {} draws of {} images, {:g} NFE each, {:.1f} s\n", command.task,
             command.method, command.samples, given.y.size(0), restoration.nfe(), seconds);
  fmt::print("PSNR {} dB measured, {} a draw, {} their mean; |y - A x| / sqrt(m) {}: {}\n",
             with_error(figures.psnr_measurement), with_error(figures.psnr_sample),
             with_error(figures.psnr_mean), with_error(figures.residual), out + "/restored.png");
  return 0;
}

}  // namespace halcyon
