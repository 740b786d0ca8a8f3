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
#include "core/noise_grid.h"
#include "core/random.h"
#include "core/require.h"
#include "core/torch.h"
#include "fisher/fisher_level.h"
#include "fisher/schedule_density.h"
#include "io/atomic_file.h"
#include "io/plots.h"
#include "io/table.h"

namespace halcyon {
namespace {

/// What is spread evenly over the steps.
enum class ScheduleMethod { fisher, entropy, error };

constexpr std::array<std::pair<ScheduleMethod, const char*>, 3> enum_names(ScheduleMethod) {
  return {{{ScheduleMethod::fisher, "fisher"},
           {ScheduleMethod::entropy, "entropy"},
           {ScheduleMethod::error, "error"}}};
}

struct ScheduleCommand {
  CommonOptions common;
  ModelUse use = {.out = "grid.csv"};
  ScheduleMethod method = ScheduleMethod::fisher;
  int64_t steps = 32;
  int64_t levels = 48;
  int64_t images = 512;
  double sigma_min = 0;
  double sigma_max = 0;
  int64_t batch = 64;
  MachineOptions machine;
  DataOptions data;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    CommonOptions::fields(self.common, field);
    ModelUse::fields(self.use, field, "chooses images and noise",
                     "the file of levels, for sampler.grid = file; X_density.csv and X.png beside");
    field(self.method, "method",
          "fisher: equal changes of the score; entropy: equal gains of information; error: equal "
          "errors of DDIM's steps");
    field(self.steps, "steps", "levels of the grid, > 0; another sampler.steps resamples it");
    field(self.levels, "levels", "noise levels to measure at, evenly spaced in ln sigma, >= 2");
    field(self.images, "images", "images of each level, >= 2");
    field(self.sigma_min, "sigma_min", "lowest noise level above 0; 0: that of the model");
    field(self.sigma_max, "sigma_max", "highest noise level; 0: that of the model");
    field(self.batch, "batch", "images evaluated at once, > 0");
  }
  template <class Self, class Section>
  static void sections(Self& self, Section&& section) {
    section("run", self.machine);
    section("data", self.data);
  }
};

constexpr const char* kUsage =
    "halcyon schedule --checkpoint RUN_OR_FILE [--method fisher|entropy|error] [--steps N] [--out "
    "grid.csv] [--key value ...]";

void check_options(const ScheduleCommand& o) {
  require_option(o.steps > 0 && o.steps <= 100000, "--steps", "a whole number in 1 .. 100000",
                 o.steps);
  require_option(o.levels >= 2 && o.levels <= 10000, "--levels", "a whole number in 2 .. 10000",
                 o.levels);
  require_option(o.images >= 2, "--images", "a whole number >= 2", o.images);
  require_option(o.batch > 0, "--batch", "a whole number > 0", o.batch);
}

std::vector<double> measured_sigmas(const ScheduleCommand& command, const Model& model) {
  const double low = command.sigma_min == 0 ? model.range.sigma_min : command.sigma_min;
  const double high = command.sigma_max == 0 ? model.range.sigma_max : command.sigma_max;
  require_option(0 < low && low < high && std::isfinite(high), "--sigma_min",
                 "0 < sigma_min < sigma_max", low);
  return log_spaced_levels(low, high, command.levels);
}

std::vector<ScheduleDensity> measure(const ScheduleCommand& command, const Model& model,
                                     const torch::Tensor& x0) {
  Progress progress("schedule", "levels", command.levels);
  std::vector<ScheduleDensity> densities;
  const double sigma_data = x0.to(torch::kFloat64).std(/*unbiased=*/false).item<double>();
  for (const double sigma : measured_sigmas(command, model)) {
    ScheduleLevel level(sigma, sigma_data);
    auto rng = make_generator(command.use.seed, "schedule", static_cast<int64_t>(densities.size()),
                              x0.device());
    for (const auto& part : x0.split(command.batch)) {
      level.add(*model.denoiser, part, torch::randn(part.sizes(), rng, part.options()));
    }
    densities.push_back(level.density());
    progress.update(static_cast<int64_t>(densities.size()));
  }
  return densities;
}

/// What equal_increments() integrates.  A step h of DDIM in ln sigma errs by h^2 / 2 times the
/// change of D, which is sigma times that of the score: equal errors want a density of its square
/// root.
double density_of(const ScheduleDensity& level, ScheduleMethod method) {
  const double speed = std::sqrt(std::max(level.score_change.value, 0.0));
  const double value = method == ScheduleMethod::fisher    ? speed
                       : method == ScheduleMethod::entropy ? level.information_rate.value
                                                           : std::sqrt(level.sigma * speed);
  if (!(value > 0) || !std::isfinite(value)) {
    throw NonFiniteError(
        fmt::format("sigma = {:.4g}: the density of levels is {}; want a number > 0: try other "
                    "--sigma_min and --sigma_max, or more --images",
                    level.sigma, value));
  }
  return value;
}

std::vector<double> grid_of(const std::vector<ScheduleDensity>& densities, ScheduleMethod method,
                            int64_t steps) {
  std::vector<double> sigmas, values;
  for (const auto& level : densities) {
    sigmas.push_back(level.sigma);
    values.push_back(density_of(level, method));
  }
  return equal_increments(sigmas, values, steps);
}

Table density_table(const std::vector<ScheduleDensity>& densities) {
  Table table{.columns = {"sigma", "score_change", "score_change_se", "information_rate",
                          "information_rate_se", "n"}};
  for (const auto& level : densities) {
    table.rows.push_back({level.sigma, level.score_change.value, level.score_change.standard_error,
                          level.information_rate.value, level.information_rate.standard_error,
                          static_cast<double>(level.score_change.count)});
  }
  return table;
}

/// Steps by noise level: how far down each grid is after a share of its steps.
Plot picture(const std::vector<ScheduleDensity>& densities, int64_t steps) {
  const double low = densities.front().sigma;
  const double high = densities.back().sigma;
  const auto line = [&](const char* title, const std::vector<double>& levels) {
    PlotSeries series{.title = title, .x = {}, .y = {}};
    for (size_t i = 0; i < levels.size() && levels[i] > 0; ++i) {
      series.x.push_back(static_cast<double>(i));
      series.y.push_back(levels[i]);
    }
    return series;
  };
  auto karras = line("Karras, rho = 7", karras_grid(low, high, steps, 7));
  karras.dashed = true;
  return {
      .title = "Noise levels of the steps",
      .x_label = "step",
      .y_label = "sigma",
      .log_y = true,
      .series = {
          line("equal changes of the score", grid_of(densities, ScheduleMethod::fisher, steps)),
          line("equal gains of information", grid_of(densities, ScheduleMethod::entropy, steps)),
          line("equal errors of DDIM", grid_of(densities, ScheduleMethod::error, steps)), karras}};
}

}  // namespace

int schedule_command(const Arguments& arguments) {
  ScheduleCommand command;
  if (!parse_command_line(kUsage, command, arguments)) return 0;
  check_options(command);
  const auto device = set_up_machine(command.machine);
  const auto model =
      load_with_warnings(command.use.checkpoint, command.use.weights, /*label=*/-1, device);
  const auto options = data_options(kUsage, ScheduleCommand(), arguments, model);
  const auto data = load_measured(options, names_key(arguments, "data.split"), model);
  const auto x0 =
      choose_images(data.set, command.images, command.use.seed, Dequantization::none).x0.to(device);
  require_option(x0.size(0) >= 2, "data.path", "at least 2 images", x0.size(0));
  require_file_place(command.use.out);  // before the long part: a bad folder costs no work

  const auto densities = measure(command, model, x0);
  const auto grid = grid_of(densities, command.method, command.steps);
  Table table{.columns = {"sigma"}};
  for (const double sigma : grid) table.rows.push_back({sigma});
  const auto stem = std::filesystem::path(command.use.out).replace_extension().string();
  write_csv(stem + "_density.csv", density_table(densities));
  write_csv(command.use.out, table);
  const auto plot = write_plot(stem + ".png", picture(densities, command.steps));
  if (!plot.written) fmt::print(stderr, "warning: no picture: {}\n", plot.reason);
  const char* equal = command.method == ScheduleMethod::fisher    ? "changes of the score"
                      : command.method == ScheduleMethod::entropy ? "gains of information"
                                                                  : "errors of DDIM's steps";
  fmt::print(
      "{} levels from {:.4g} to {:.4g} with equal {}, from {} {} images at {} levels: {}\n"
      "use: halcyon sample --sampler.grid file --sampler.grid_file {}\n",
      grid.size(), grid.front(), grid.back(), equal, x0.size(0), data.split, command.levels,
      command.use.out, command.use.out);
  return 0;
}

}  // namespace halcyon
