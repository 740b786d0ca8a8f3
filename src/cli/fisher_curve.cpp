#include <fmt/format.h>

#include "cli/estimate_text.h"
#include "cli/fisher_alarms.h"
#include "cli/fisher_job.h"
#include "cli/interrupt.h"
#include "cli/level_files.h"
#include "cli/pictures.h"
#include "cli/progress.h"
#include "core/error.h"
#include "core/torch.h"
#include "io/safetensors.h"

namespace halcyon {
namespace {

/// What the sums of a level depend on, but for its number.
std::string level_key(FisherJob& job, double sigma) {
  const auto& options = job.options.fisher;
  const auto weights =
      job.model.network ? " " + network_fingerprint(*job.model.network) : std::string();
  std::string calibration;
  if (!job.options.calibration.empty()) {
    calibration = fmt::format(" {:.17g}", load_calibration(job.options.calibration).at(sigma));
  }
  return fmt::format(
      "{} {}{} {}{}; {} {} of {}; seed {}, {} images, batches of {}, {} probes, sigma {:.17g}",
      job.model.source, job.model.weights, calibration, job.model.step, weights, job.data.split,
      fingerprint(job.data.set), fingerprint(job.training.images()), job.options.use.seed,
      options.images, options.batch, options.probes, sigma);
}

nlohmann::json to_json(const FisherEstimates& level) {
  nlohmann::json json = {{"sigma", level.sigma},
                         {"fisher_frac_exp", to_json(level.fraction(level.fisher_info_exp))},
                         {"fisher_frac_stein", to_json(level.fraction(level.fisher_info_stein))},
                         {"fisher_frac_low", to_json(level.fraction(level.fisher_info_low))},
                         {"eps_mse", to_json(level.eps_mse)},
                         {"score_calibration", to_json(level.score_calibration)},
                         {"mean_score_z", level.mean_score_z},
                         {"virial_z", level.virial_z()},
                         {"consistency_z", level.consistency_z}};
  if (level.probes > 0) {
    json["fisher_frac_obs"] = to_json(level.fraction(level.fisher_info_obs));
  }
  return json;
}

}  // namespace

void measure_curve(FisherJob& job) {
  const auto& sigmas = job.study.sigmas();
  const auto& reference = job.training.reference();
  Progress progress("Fisher", "levels", static_cast<int64_t>(sigmas.size()));
  for (size_t k = 0; k < sigmas.size(); ++k) {
    const LevelStore store(job.path("levels"), level_key(job, sigmas[k]));
    auto level = job.study.empty_level(k, job.training.mean());
    if (!store.load(k, level)) {
      level = job.study.measure(*job.model.denoiser, k, job.training.mean());
      store.save(k, level);
    }
    job.levels.push_back(level.estimates());
    progress.update(static_cast<int64_t>(k) + 1);
    stop_if_interrupted();
  }
  progress.clear();

  write_csv(job.path("fisher_levels.csv"),
            fisher_table(job.levels, {job.model.step, job.data.split, job.model.weights}, reference,
                         job.floors));
  if (!reference.gaussian) {
    fmt::print(stderr, "warning: no Gaussian reference: want more than {} images, got {}\n",
               job.study.dim(), job.training.images().images.size(0));
  }
  const auto reason = plot_fisher(job.options.use.out, job.levels, reference, job.floors);
  if (!reason.empty()) fmt::print(stderr, "warning: no Fisher plot: {}\n", reason);
  write_denoising_picture(job.path("denoising.png"), *job.model.denoiser, job.study.panel(4),
                          job.options.use.seed);
  fmt::print("{} ({} weights, step {}) on {} {} images a level\n{}", job.model.source,
             job.model.weights, job.model.step, job.study.count(), job.data.split,
             to_text(fisher_summary(job.levels, reference)));
  job.summary["images_per_level"] = job.study.count();
  for (const auto& level : job.levels) job.summary["levels"].push_back(to_json(level));
  job.alarms["curve"] = fisher_alarms(job.levels, reference);
}

}  // namespace halcyon
