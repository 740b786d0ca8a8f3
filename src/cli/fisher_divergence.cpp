#include <fmt/format.h>

#include "cli/data_loading.h"
#include "cli/estimate_text.h"
#include "cli/fisher_job.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "core/error.h"
#include "core/torch.h"
#include "fisher/score_divergence.h"

namespace halcyon {
namespace {

Model load_other(const FisherJob& job) {
  auto other = load_with_warnings(job.options.against, job.options.against_weights, /*label=*/-1,
                                  job.device);
  const auto &found = other.shape, &wanted = job.model.shape;
  if (found.channels != wanted.channels || found.height != wanted.height ||
      found.width != wanted.width) {
    throw ConfigError(fmt::format("against: {} is of {}x{}x{} images; want {}x{}x{}", other.source,
                                  found.channels, found.height, found.width, wanted.channels,
                                  wanted.height, wanted.width));
  }
  return other;
}

ScoreDivergence measured(const FisherJob& job, Denoiser& other) {
  const torch::NoGradGuard no_grad;
  const auto& sigmas = job.study.sigmas();
  ScoreDivergence divergence(job.study.dim());
  Progress progress("divergence", "levels", static_cast<int64_t>(sigmas.size()));
  for (size_t k = 0; k < sigmas.size(); ++k) {
    divergence.begin_level(sigmas[k]);
    job.study.for_each_batch(k, [&](const FisherStudy::Batch& batch) {
      const auto x = batch.x0 + sigmas[k] * batch.noise;
      const auto sigma = torch::full({x.size(0)}, sigmas[k], x.options());
      divergence.add(job.model.denoiser->denoise(x, sigma), other.denoise(x, sigma));
    });
    progress.update(static_cast<int64_t>(k) + 1);
    stop_if_interrupted();
  }
  progress.clear();
  return divergence;
}

}  // namespace

void measure_divergence(FisherJob& job) {
  const auto other = load_other(job);
  const auto divergence = measured(job, *other.denoiser);

  Table table{.columns = {"step", "weights", "against_step", "against_weights", "sigma", "n",
                          "fisher_divergence", "fisher_divergence_se", "fisher_divergence_frac",
                          "fisher_divergence_frac_se"}};
  Table shown{.columns = {"sigma", "FD = E|s1 - s2|^2", "sigma^2 FD / d"}};
  for (const auto& level : divergence.levels()) {
    const auto& fd = level.fisher_divergence;
    const auto& fraction = level.fraction;
    table.rows.push_back({static_cast<double>(job.model.step), job.model.weights,
                          static_cast<double>(other.step), other.weights, level.sigma,
                          static_cast<double>(fd.count), fd.value, fd.standard_error,
                          fraction.value, fraction.standard_error});
    shown.rows.push_back({level.sigma, with_error(fd), with_error(fraction)});
    job.summary["divergence"]["levels"].push_back(
        {{"sigma", level.sigma}, {"fisher_divergence", to_json(fd)}});
  }
  const auto nats = divergence.nats(job.study.levels());
  job.path_kl = nats;
  job.summary["divergence"]["nats"] = to_json(nats);
  job.summary["divergence"]["against"] = other.source;
  write_csv(job.path("fisher_divergence.csv"), table);
  const auto& sigmas = job.study.sigmas();
  fmt::print("{} ({}, step {}) against {} ({}, step {})\n{}from sigma {:.3g} to {:.3g}: {} nats\n",
             job.model.source, job.model.weights, job.model.step, other.source, other.weights,
             other.step, to_text(shown), sigmas.front(), sigmas.back(), with_error(nats));
}

}  // namespace halcyon
