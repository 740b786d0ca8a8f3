#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>

#include "cli/estimate_text.h"
#include "cli/fisher_dimension.h"
#include "cli/fisher_jacobian.h"
#include "cli/fisher_job.h"
#include "cli/fisher_maps.h"
#include "cli/fisher_spectrum.h"
#include "cli/likelihood_report.h"
#include "cli/progress.h"
#include "core/random.h"
#include "data/toy_distribution.h"
#include "fisher/class_information.h"
#include "fisher/entropy.h"
#include "io/atomic_file.h"

namespace halcyon {
namespace {

/// Calls back with the levels done: the live line, and the place to stop.
class LevelProgress {
 public:
  LevelProgress(const char* label, int64_t levels) : progress_(label, "levels", levels) {}
  void operator()(int64_t done) {
    progress_.update(done);
    stop_if_interrupted();
  }

 private:
  Progress progress_;
};

void warn_without_plot(const std::string& what, const std::string& reason) {
  if (!reason.empty()) fmt::print(stderr, "warning: no plot of the {}: {}\n", what, reason);
}

/// The entropy of p(x; sigma_min) by one estimate of J, from every `stride`-th level and the last.
Estimate entropy_from(const FisherJob& job, Estimate FisherEstimates::*information,
                      size_t stride = 1) {
  std::vector<double> sigmas;
  std::vector<Estimate> values;
  for (size_t k = 0; k < job.levels.size(); ++k) {
    if (k % stride != 0 && k + 1 != job.levels.size()) continue;
    sigmas.push_back(job.levels[k].sigma);
    values.push_back(job.levels[k].*information);
  }
  if (values.front().count == 0) return {};  // without probes
  const auto entropy = fisher_entropy(sigmas, values, *job.reference.gaussian);
  auto noised = entropy.noised;
  if (job.study.levels() == Levels::share_images) {
    noised.standard_error = entropy.standard_error_bound;
  }
  return noised;
}

/// The error of the trapezoidal rule, which falls with the square of the step: a third of what
/// twice the step changes.
double quadrature_error(const FisherJob& job, const Estimate& fine) {
  const auto coarse = entropy_from(job, &FisherEstimates::fisher_info_low, /*stride=*/2);
  return std::abs(coarse.value - fine.value) / 3;
}

void measure_entropies(FisherJob& job, LikelihoodReport& report) {
  const auto second = entropy_from(job, &FisherEstimates::fisher_info_exp);
  const auto observed = entropy_from(job, &FisherEstimates::fisher_info_obs);
  const auto bound = entropy_from(job, &FisherEstimates::fisher_info_low);
  report.entropy = observed.count > 0 ? observed : second;
  report.information = InformationNll{.dim = report.dim, .bound = bound};

  const auto bits = [&](const Estimate& nats) {
    auto b = scaled(nats, 1 / (static_cast<double>(report.dim) * std::numbers::ln2));
    b.value -= std::log2(report.bin_width);
    return b;
  };
  Table shown{.columns = {"-E ln p(x; sigma_min) from", "nats", "bits/dim"}};
  for (const auto& [name, nats] : {std::pair{"E|s|^2", second}, std::pair{"-E tr grad s", observed},
                                   std::pair{"the loss: an upper bound", bound}}) {
    shown.rows.push_back({std::string(name), with_error(nats), with_error(bits(nats))});
    job.summary["entropy_nats"][name] = to_json(nats);
  }
  if (job.reference.exact && job.reference.exact->components() <= 2) {
    const double exact = job.reference.exact->entropy(report.sigma_min);
    shown.rows.push_back({std::string("the exact law"), exact, bits({exact, 0, 1}).value});
  }
  fmt::print("{}sigma_min {:.3g}; the trapezoidal rule is off by some {:.2g} nats\n",
             to_text(shown), report.sigma_min, quadrature_error(job, bound));
  if (report.bin_width < 1) {
    fmt::print("pixels as they are, not dequantised: not to be compared with published numbers\n");
  }
}

/// Of the images of the panel order, where the model knows classes and was told those of the data.
void measure_class_information(FisherJob& job, LikelihoodReport& report) {
  const auto [x0, labels] = job.study.labelled_panel(job.study.count(), job.data.set.labels);
  if (!labels.defined() || job.uncalibrated) return;
  const auto batch = job.options.fisher.batch;
  ClassInformation information(job.study.sigmas(), job.study.dim());
  auto rng = make_generator(job.options.seed, "class information", 0, job.device);
  Progress progress("class information", "images", x0.size(0));
  for (int64_t begin = 0; begin < x0.size(0); begin += batch) {
    const int64_t size = std::min(batch, x0.size(0) - begin);
    const auto conditional = conditional_denoiser(job.model, labels.narrow(0, begin, size));
    if (!conditional) return;
    information.add(*conditional, *job.model.denoiser, x0.narrow(0, begin, size), rng);
    progress.update(begin + size);
    stop_if_interrupted();
  }
  progress.clear();
  const auto nats = information.information();
  const double most = std::log(static_cast<double>(job.model.network->num_classes()));
  report.class_information = nats;
  job.summary["class_information"] = to_json(nats);
  fmt::print("class information I(c; x): {} nats, of at most ln K = {:.4g}\n", with_error(nats),
             most);
  if (nats.value - most > 5 * nats.standard_error) {
    job.alarms.push_back(fmt::format(
        "class information {} nats is more than the ln K = {:.3g} that classes can have",
        with_error(nats), most));
  }
}

}  // namespace

std::vector<double> FisherJob::detail_sigmas() const {
  const auto& all = study.sigmas();
  const auto wanted = std::min(static_cast<size_t>(options.detail_levels), all.size());
  std::vector<double> sigmas;
  for (size_t i = 0; i < wanted; ++i) sigmas.push_back(all[i * (all.size() - 1) / (wanted - 1)]);
  return sigmas;
}

void measure_integrals(FisherJob& job) {
  if (job.levels.empty()) throw ConfigError("only: 'integrals' are of the curve; want both");
  LikelihoodReport report;
  report.step = job.model.step;
  report.weights = job.model.weights;
  report.split = job.data.split;
  report.images = job.study.count();
  report.dim = job.study.dim();
  report.bin_width = job.data.set.images.is_floating_point() ? 1 : kPixelBinWidth;
  report.sigma_min = job.study.sigmas().front();
  report.sigma_max = job.study.sigmas().back();
  report.levels = static_cast<int64_t>(job.levels.size());
  report.path_kl = job.path_kl;
  if (job.reference.gaussian) measure_entropies(job, report);
  measure_class_information(job, report);
  write_csv(job.path("fisher_integrals.csv"), likelihood_row(report));
}

void measure_maps(FisherJob& job) {
  const auto folder = job.path("maps");
  make_directory(folder);
  const auto [x0, labels] = job.study.labelled_panel(job.options.panel_images, job.data.set.labels);
  const auto conditional =
      labels.defined() && !job.uncalibrated ? conditional_denoiser(job.model, labels) : nullptr;
  const auto sigmas = job.detail_sigmas();
  LevelProgress progress("maps", static_cast<int64_t>(sigmas.size()));
  write_fisher_maps(folder, *job.model.denoiser, conditional.get(), {x0, {}},
                    {.levels = sigmas, .seed = job.options.seed}, std::ref(progress));
}

void measure_spectrum(FisherJob& job) {
  const auto sigmas = job.detail_sigmas();
  LevelProgress progress("spectrum", static_cast<int64_t>(sigmas.size()));
  const auto spectra =
      measure_spectra(*job.model.denoiser, job.study.panel(job.options.detail_images), sigmas, {},
                      job.options.seed, std::ref(progress));
  warn_without_plot("spectrum", write_spectra(job.options.out, job.model.step, spectra));
}

void measure_jacobian(FisherJob& job) {
  const auto sigmas = job.detail_sigmas();
  LevelProgress progress("Jacobian", static_cast<int64_t>(sigmas.size()));
  const auto rows =
      measure_jacobians(*job.model.denoiser, job.study.panel(job.options.detail_images), sigmas, {},
                        job.options.seed, std::ref(progress));
  warn_without_plot("reliability",
                    write_jacobians(job.options.out, job.model.step, job.study.dim(), rows));
}

void measure_dimension(FisherJob& job) {
  const auto sigmas = job.detail_sigmas();
  LevelProgress progress("dimension", static_cast<int64_t>(sigmas.size()));
  const auto rows =
      measure_dimensions(*job.model.denoiser, job.study.panel(job.options.detail_images), sigmas,
                         {}, job.options.seed, std::ref(progress));
  warn_without_plot("dimension", write_dimensions(job.options.out, job.model.step, rows));
}

}  // namespace halcyon
