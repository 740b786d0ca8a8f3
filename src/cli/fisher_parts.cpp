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

double bits_per_dim(double nats, int64_t dim) {
  return nats / (static_cast<double>(dim) * std::numbers::ln2);
}

struct NamedEntropy {
  const char* name;
  const char* meaning;
  Estimate FisherEstimates::*information;
};

constexpr NamedEntropy kEntropies[] = {
    {"second_moment", "from E|s|^2", &FisherEstimates::fisher_info_exp},
    {"observed", "from -E tr grad s", &FisherEstimates::fisher_info_obs},
    {"upper_bound", "upper bound, from the loss", &FisherEstimates::fisher_info_low}};

void print_entropies(FisherJob& job, Table& csv) {
  std::vector<double> sigmas;
  for (const auto& level : job.levels) sigmas.push_back(level.sigma);
  Table shown{.columns = {"entropy at sigma_min", "nats", "bits/dim"}};
  for (const auto& entry : kEntropies) {
    std::vector<Estimate> information;
    for (const auto& level : job.levels) information.push_back(level.*entry.information);
    if (information.front().count == 0) continue;  // without probes
    const auto entropy = fisher_entropy(sigmas, information, *job.reference.gaussian);
    const auto bits = scaled(entropy.noised, bits_per_dim(1, job.study.dim()));
    shown.rows.push_back(
        {std::string(entry.meaning), with_error(entropy.noised), with_error(bits)});
    csv.rows.push_back({std::string(entry.name), entropy.noised.value,
                        entropy.noised.standard_error, bits.value, bits.standard_error,
                        sigmas.front(), sigmas.back(), static_cast<double>(sigmas.size())});
    job.summary["entropy"][entry.name] = to_json(entropy.noised);
  }
  if (job.reference.exact && job.reference.exact->components() <= 2) {
    const double exact = job.reference.exact->entropy(sigmas.front());
    shown.rows.push_back({std::string("exact"), exact, bits_per_dim(exact, job.study.dim())});
  }
  fmt::print("{}", to_text(shown));
}

/// Of the images of the panel order, where the model knows classes and was told those of the data.
void print_class_information(FisherJob& job, Table& csv) {
  const auto [x0, labels] = job.study.labelled_panel(job.study.count(), job.data.set.labels);
  if (!labels.defined()) return;
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
  const auto& sigmas = job.study.sigmas();
  csv.rows.push_back({std::string("class_information"), nats.value, nats.standard_error, Cell(),
                      Cell(), sigmas.front(), sigmas.back(), static_cast<double>(sigmas.size())});
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
  if (job.levels.empty()) return;  // nothing without the curve
  Table csv{.columns = {"quantity", "nats", "nats_se", "bits_per_dim", "bits_per_dim_se",
                        "sigma_min", "sigma_max", "n_levels"}};
  if (job.reference.gaussian) print_entropies(job, csv);
  print_class_information(job, csv);
  write_csv(job.path("fisher_integrals.csv"), csv);
}

void measure_maps(FisherJob& job) {
  const auto folder = job.path("maps");
  make_directory(folder);
  const auto [x0, labels] = job.study.labelled_panel(job.options.panel_images, job.data.set.labels);
  const auto conditional = labels.defined() ? conditional_denoiser(job.model, labels) : nullptr;
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
