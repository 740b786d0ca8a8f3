#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "cli/fisher_dimension.h"
#include "cli/fisher_jacobian.h"
#include "cli/fisher_job.h"
#include "cli/fisher_maps.h"
#include "cli/fisher_spectrum.h"
#include "cli/interrupt.h"
#include "cli/plot_warning.h"
#include "cli/progress.h"
#include "core/torch.h"
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

}  // namespace

std::vector<double> FisherJob::detail_sigmas() const {
  auto all = study.sigmas();
  const auto end = std::upper_bound(all.begin(), all.end(), options.detail_sigma_max);
  if (end - all.begin() >= 2) all.erase(end, all.end());
  const auto wanted = std::min(static_cast<size_t>(options.detail_levels), all.size());
  std::vector<double> sigmas;
  for (size_t i = 0; i < wanted; ++i) sigmas.push_back(all[i * (all.size() - 1) / (wanted - 1)]);
  return sigmas;
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
                    {.levels = sigmas, .seed = job.options.use.seed}, std::ref(progress));
}

void measure_spectrum(FisherJob& job) {
  const auto sigmas = job.detail_sigmas();
  LevelProgress progress("spectrum", static_cast<int64_t>(sigmas.size()));
  const auto spectra =
      measure_spectra(*job.model.denoiser, job.study.panel(job.options.detail_images), sigmas, {},
                      job.options.use.seed, std::ref(progress));
  warn_without_plot("spectrum", write_spectra(job.options.use.out, job.model.step, spectra));
}

void measure_jacobian(FisherJob& job) {
  const auto sigmas = job.detail_sigmas();
  LevelProgress progress("Jacobian", static_cast<int64_t>(sigmas.size()));
  const auto rows =
      measure_jacobians(*job.model.denoiser, job.study.panel(job.options.detail_images), sigmas, {},
                        job.options.use.seed, std::ref(progress));
  warn_without_plot("reliability",
                    write_jacobians(job.options.use.out, job.model.step, job.study.dim(), rows));
}

void measure_dimension(FisherJob& job) {
  const auto sigmas = job.detail_sigmas();
  LevelProgress progress("dimension", static_cast<int64_t>(sigmas.size()));
  const auto rows =
      measure_dimensions(*job.model.denoiser, job.study.panel(job.options.detail_images), sigmas,
                         {}, job.options.use.seed, std::ref(progress));
  warn_without_plot("dimension", write_dimensions(job.options.use.out, job.model.step, rows));
}

}  // namespace halcyon
