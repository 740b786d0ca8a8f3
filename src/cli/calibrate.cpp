#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "cli/data_loading.h"
#include "cli/estimate_text.h"
#include "cli/evaluation_data.h"
#include "cli/machine.h"
#include "cli/model_use.h"
#include "cli/progress.h"
#include "core/error.h"
#include "core/random.h"
#include "core/require.h"
#include "core/torch.h"
#include "fisher/fisher_level.h"
#include "fisher/score_calibration.h"
#include "io/atomic_file.h"
#include "io/table.h"

namespace halcyon {
namespace {

struct CalibrateCommand {
  CommonOptions common;
  ModelUse use = {.out = "calibration.csv"};
  int64_t levels = 24;
  int64_t images = 2048;
  double sigma_min = 0.01;
  double sigma_max = 50;
  int64_t batch = 64;
  MachineOptions machine;
  DataOptions data;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    CommonOptions::fields(self.common, field);
    ModelUse::fields(self.use, field, "chooses images and noise",
                     "the file: columns sigma, score_calibration and what it gains");
    field(self.levels, "levels", "noise levels, evenly spaced in ln sigma, >= 2");
    field(self.images, "images", "images to fit on and images to test on, at each level, >= 2");
    field(self.sigma_min, "sigma_min", "lowest noise level; raised to the model's lowest");
    field(self.sigma_max, "sigma_max", "highest noise level; lowered to the model's highest");
    field(self.batch, "batch", "images evaluated at once, > 0");
  }
  template <class Self, class Section>
  static void sections(Self& self, Section&& section) {
    section("run", self.machine);
    section("data", self.data);
  }
};

constexpr const char* kUsage =
    "halcyon calibrate --checkpoint RUN_OR_FILE [--data.path P] [--key value ...]";

void check_options(const CalibrateCommand& o) {
  require_option(o.levels >= 2 && o.levels <= 10000, "--levels", "a whole number in 2 .. 10000",
                 o.levels);
  require_option(o.images >= 2, "--images", "a whole number >= 2", o.images);
  require_option(0 < o.sigma_min && o.sigma_min < o.sigma_max && std::isfinite(o.sigma_max),
                 "--sigma_min", "0 < sigma_min < sigma_max", o.sigma_min);
  require_option(o.batch > 0, "--batch", "a whole number > 0", o.batch);
}

/// Images to fit on and others to test on, [N, C, H, W] each.
struct Parts {
  torch::Tensor fit, test;
  std::string fit_split, test_split;
};

/// The training part and the held-out part of the data that the model was trained on, unless the
/// command line says otherwise; of data without parts, two halves that share no image.
Parts load_parts(const Arguments& arguments, const CalibrateCommand& command, const Model& model) {
  auto options = data_options(kUsage, CalibrateCommand(), arguments, model);
  if (!names_key(arguments, "data.limit")) options.limit = 0;  // of the training images
  options.labels = false;
  const auto set = load_with_warnings(options);
  const auto held_out = load_held_out(options, [&] { return set; });
  for (const auto& images : {set, held_out.set}) require_shape(images, model);
  const auto chosen = [&](const ImageSet& from, int64_t count) {
    return choose_images(from, count, command.use.seed, Dequantization::none).x0;
  };
  const std::string split = to_text(options.split);
  if (held_out.split != split) {
    return {chosen(set, command.images), chosen(held_out.set, command.images), split,
            held_out.split};
  }
  const auto both = chosen(set, 2 * command.images);
  const auto half = both.size(0) / 2;
  return {both.narrow(0, 0, half), both.narrow(0, half, half), split + " (one half)",
          split + " (the other half)"};
}

void require_enough(const Parts& parts) {
  if (std::min(parts.fit.size(0), parts.test.size(0)) < 2) {
    throw DataError("data.path: calibrate wants at least 2 images to fit on and 2 to test on");
  }
}

CalibrationLevel measure(Denoiser& denoiser, double sigma, const torch::Tensor& x0, int64_t batch,
                         at::Generator rng) {
  CalibrationLevel level(sigma);
  for (const auto& part : x0.split(batch)) {
    level.add(denoiser, part, torch::randn(part.sizes(), rng, part.options()));
  }
  return level;
}

struct CalibratedLevel {
  CalibrationFit fit;
  CalibrationGain gain;
};

std::vector<CalibratedLevel> calibrate(const CalibrateCommand& command, const Model& model,
                                       const Parts& parts) {
  const auto sigmas =
      log_spaced_levels(std::max(command.sigma_min, model.range.sigma_min),
                        std::min(command.sigma_max, model.range.sigma_max), command.levels);
  Progress progress("calibration", "levels", command.levels);
  std::vector<CalibratedLevel> levels;
  for (const double sigma : sigmas) {
    const auto k = static_cast<int64_t>(levels.size());
    const auto measured = [&](const torch::Tensor& x0, const char* stream) {
      return measure(*model.denoiser, sigma, x0, command.batch,
                     make_generator(command.use.seed, stream, k, x0.device()));
    };
    const auto fit = measured(parts.fit, "calibration fit").fit();
    if (!(fit.calibration.value > 0)) {
      throw CheckpointError(fmt::format(
          "'{}' at sigma = {:.4g}: the best multiplier of the score is {:.3g} +- {:.1g}, and want "
          "one > 0; want more --images, or other --sigma_min, --sigma_max",
          model.source, sigma, fit.calibration.value, fit.calibration.standard_error));
    }
    levels.push_back({fit, measured(parts.test, "calibration test").gain(fit.calibration.value)});
    progress.update(k + 1);
  }
  return levels;
}

Table calibration_table(const std::vector<CalibratedLevel>& levels) {
  Table table;
  table.columns = {"sigma", "score_calibration", "score_calibration_se", "n_fit"};
  for (const char* name : {"fisher_frac_exp", "fisher_frac_stein"}) table.columns.push_back(name);
  for (const char* name : {"drop_fitted", "drop_expected", "drop_expected_se", "n_test",
                           "eps_mse_before", "eps_mse_before_se", "eps_mse_after",
                           "eps_mse_after_se", "drop_measured", "drop_measured_se"}) {
    table.columns.push_back(name);
  }
  for (const auto& [fit, gain] : levels) {
    table.rows.push_back({fit.sigma, fit.calibration.value, fit.calibration.standard_error,
                          static_cast<double>(fit.calibration.count), fit.fisher_frac_exp.value,
                          fit.fisher_frac_stein.value, fit.drop_fitted, fit.drop_expected.value,
                          fit.drop_expected.standard_error, static_cast<double>(gain.drop.count),
                          gain.eps_mse_before.value, gain.eps_mse_before.standard_error,
                          gain.eps_mse_after.value, gain.eps_mse_after.standard_error,
                          gain.drop.value, gain.drop.standard_error});
  }
  return table;
}

Table calibration_summary(const std::vector<CalibratedLevel>& levels) {
  Table table;
  table.columns = {"sigma",         "multiplier",    "eps mse before",
                   "eps mse after", "drop expected", "drop measured"};
  for (const auto& [fit, gain] : levels) {
    table.rows.push_back({fit.sigma, with_error(fit.calibration), with_error(gain.eps_mse_before),
                          with_error(gain.eps_mse_after), with_error(fit.drop_expected),
                          with_error(gain.drop)});
  }
  return table;
}

/// Means over the levels, which are evenly spaced in ln sigma.  The images of two levels are the
/// same, so that their errors are correlated: the mean of the errors bounds that of the mean.
std::string total_line(const std::vector<CalibratedLevel>& levels) {
  const auto count = static_cast<double>(levels.size());
  double before = 0;
  Estimate drop;
  for (const auto& [fit, gain] : levels) {
    before += gain.eps_mse_before.value / count;
    drop.value += gain.drop.value / count;
    drop.standard_error += gain.drop.standard_error / count;
  }
  return fmt::format(
      "mean over the levels: eps mse {:.5g} before, {:.5g} after; drop {:.4g} +- {:.1g} at most\n",
      before, before - drop.value, drop.value, drop.standard_error);
}

}  // namespace

int calibrate_command(const Arguments& arguments) {
  CalibrateCommand command;
  if (!parse_command_line(kUsage, command, arguments)) return 0;
  check_options(command);
  const auto device = set_up_machine(command.machine);
  const auto model =
      load_with_warnings(command.use.checkpoint, command.use.weights, /*label=*/-1, device);
  auto parts = load_parts(arguments, command, model);
  require_enough(parts);
  parts.fit = parts.fit.to(device);
  parts.test = parts.test.to(device);
  const auto folder = std::filesystem::path(command.use.out).parent_path().string();
  if (!folder.empty()) make_directory(folder);  // before the long part: a bad one costs no work

  const auto levels = calibrate(command, model, parts);
  write_csv(command.use.out, calibration_table(levels));
  fmt::print("{} ({} weights, step {}): fitted on {} {} images, measured on {} {} images\n{}{}{}\n",
             model.source, model.weights, model.step, parts.fit.size(0), parts.fit_split,
             parts.test.size(0), parts.test_split, to_text(calibration_summary(levels)),
             total_line(levels), command.use.out);
  return 0;
}

}  // namespace halcyon
