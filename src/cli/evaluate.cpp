#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "cli/data_loading.h"
#include "cli/evaluate_options.h"
#include "cli/evaluate_samples.h"
#include "cli/evaluation_data.h"
#include "cli/likelihood.h"
#include "cli/machine.h"
#include "cli/progress.h"
#include "config/text_value.h"
#include "core/error.h"
#include "core/require.h"
#include "core/torch.h"
#include "fisher/fisher_level.h"
#include "io/atomic_file.h"

namespace halcyon {
namespace {

void check_options(const EvaluateCommand& command) {
  if (!command.metrics.empty() || !command.reference.empty()) {
    throw ConfigError("--metrics, --reference: count only with samples; want --samples or --draw");
  }
  require_option(command.images >= 2, "--images", "a whole number >= 2", command.images);
  require_option(command.batch > 0, "--batch", "a whole number > 0", command.batch);
  require_option(command.class_levels >= 2, "--class_levels", "a whole number >= 2",
                 command.class_levels);
  require_option(command.sigma_min >= 0, "--sigma_min", "a number >= 0", command.sigma_min);
  require_option(command.sigma_max >= 0, "--sigma_max", "a number >= 0", command.sigma_max);
  check_options(command.information);
  check_options(command.ode);
}

LikelihoodReport describe(const EvaluateCommand& command, const Model& model, const HeldOut& data,
                          const std::string& reference) {
  const double highest = command.sigma_max > 0 ? std::min(command.sigma_max, model.range.sigma_max)
                                               : model.range.sigma_max;
  LikelihoodReport report;
  report.source = model.source;
  report.weights = model.weights;
  report.step = model.step;
  report.split = data.split;
  report.data = command.data.path;
  report.seed = command.use.seed;
  report.images = std::min(command.images, data.set.images.size(0));
  report.dim = data.set.images[0].numel();
  report.dequantization = command.dequantization;
  report.bin_width = data.set.images.is_floating_point() ? 1 : kPixelBinWidth;
  report.reference = reference;
  report.sigma_min = std::max(command.sigma_min, model.range.sigma_min);
  report.sigma_max = highest;
  return report;
}

/// The law that the flow of the ODE ends in.
LikelihoodReference prior(const EvaluateCommand& command, const LikelihoodReference& data) {
  if (command.prior == Prior::gaussian) return data;
  const auto dim = data.gaussian.dim();
  return {{torch::ones({1}), torch::zeros({1, dim}), torch::zeros({dim})}, "noise alone"};
}

void measure(const EvaluateCommand& command, const Model& model,
             const LikelihoodReference& reference, const MeasuredImages& images,
             LikelihoodReport& report) {
  const LikelihoodSettings settings = {command.batch, command.use.seed};
  const auto& x0 = images.x0;
  if (command.likelihood == Likelihood::ode) {
    report.ode =
        ode_nll(*model.denoiser, prior(command, reference), x0, report, command.ode, settings);
  } else {
    report.information = information_nll(*model.denoiser, reference.gaussian, x0, report,
                                         command.information, settings);
    add_class_information(
        report, model, images,
        log_spaced_levels(report.sigma_min, report.sigma_max, command.class_levels), settings);
  }
  add_exact(report, x0);
}

int evaluate_likelihood(EvaluateCommand command, const Arguments& arguments) {
  check_options(command);
  const auto device = set_up_machine(command.machine);
  const auto& out = command.use.out;
  const auto model =
      load_with_warnings(command.use.checkpoint, command.use.weights, /*label=*/-1, device);
  command.data = data_options(kEvaluateUsage, EvaluateCommand(), arguments, model);
  const auto data = load_measured(command.data, names_key(arguments, "data.split"), model);
  if (data.set.images.size(0) < 2) throw DataError("evaluate: want at least 2 images, got 1");
  if (data.set.images.is_floating_point()) command.dequantization = Dequantization::none;
  make_directory(out);  // before the long part: a bad folder costs no work

  const auto start = std::chrono::steady_clock::now();
  const auto reference = likelihood_reference(data.set);
  auto images = choose_images(data.set, command.images, command.use.seed, command.dequantization);
  images.x0 = images.x0.to(device);
  auto report = describe(command, model, data, reference.name);
  measure(command, model, reference, images, report);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  write_file_atomically(out + "/likelihood.json", likelihood_json(report));
  append_csv(out + "/fisher_integrals.csv", likelihood_row(report));
  fmt::print("{}{}/likelihood.json, {}/fisher_integrals.csv ({})\n", likelihood_text(report), out,
             out, duration_text(report.seconds));
  return 0;
}

}  // namespace

int evaluate_command(const Arguments& arguments) {
  EvaluateCommand command;
  if (!parse_command_line(kEvaluateUsage, command, arguments)) return 0;
  return command.measures_samples() ? evaluate_samples(command, arguments)
                                    : evaluate_likelihood(command, arguments);
}

}  // namespace halcyon
