#include <fmt/format.h>

#include "cli/estimate_text.h"
#include "cli/fisher_job.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "core/empirical_denoiser.h"
#include "core/torch.h"
#include "fisher/memorisation.h"

namespace halcyon {
namespace {

bool same_images(FisherJob& job) {
  return torch::equal(job.training.images().images, job.data.set.images);
}

MemorisationEstimates measured(FisherJob& job, const FisherStudy& training, Denoiser& memory,
                               size_t k) {
  auto& model = *job.model.denoiser;
  MemorisationLevel level(training.sigmas()[k], training.dim());
  training.for_each_batch(k, [&](const FisherStudy::Batch& batch) {
    level.add_training(model, memory, batch.x0, batch.noise);
  });
  job.study.for_each_batch(k, [&](const FisherStudy::Batch& batch) {
    level.add_held_out(model, batch.x0, batch.noise);
  });
  auto estimates = level.estimates();
  if (same_images(job)) {  // none held out
    estimates.held_out_loss = estimates.excess = estimates.memorisation = {};
  }
  return estimates;
}

void write_floors(const FisherJob& job) {
  Table table{.columns = {"step", "weights", "sigma"}};
  for (const char* name : {"empirical_floor", "train_eps_mse", "held_out_eps_mse", "fd_upper",
                           "memorisation_gap", "memorisation"}) {
    table.columns.insert(table.columns.end(), {name, std::string(name) + "_se"});
  }
  for (const auto& floor : job.floors) {
    auto& row = table.rows.emplace_back();
    row = {static_cast<double>(job.model.step), job.model.weights, floor.sigma};
    for (const auto& e : {floor.floor, floor.train_loss, floor.held_out_loss, floor.excess,
                          floor.gap, floor.memorisation}) {
      for (const double value : {e.value, e.standard_error}) {
        auto& cell = row.emplace_back();
        if (e.count > 0) cell = value;
      }
    }
  }
  write_csv(job.path("fisher_floors.csv"), table);
}

Table shown(const std::vector<MemorisationEstimates>& floors) {
  Table table{.columns = {"sigma", "training images' floor", "loss on them", "held-out loss",
                          "memorisation"}};
  for (const auto& floor : floors) {
    table.rows.push_back({floor.sigma, with_error(floor.floor), with_error(floor.train_loss),
                          with_error(floor.held_out_loss), with_error(floor.memorisation)});
  }
  return table;
}

}  // namespace

void measure_floors(FisherJob& job) {
  const torch::NoGradGuard no_grad;
  const FisherStudy training(job.training.images(), job.options.fisher, job.model.range,
                             job.options.use.seed, job.device);
  EmpiricalDenoiser memory(to_model_units(job.training.images().images).to(job.device));
  const auto levels = training.sigmas().size();
  Progress progress("floors", "levels", static_cast<int64_t>(levels));
  for (size_t k = 0; k < levels; ++k) {
    job.floors.push_back(measured(job, training, memory, k));
    progress.update(static_cast<int64_t>(k) + 1);
    stop_if_interrupted();
  }
  progress.clear();
  write_floors(job);
  fmt::print("{}", to_text(shown(job.floors)));
  if (same_images(job)) fmt::print("no held-out images: nothing is said of memorisation\n");
  for (const auto& floor : job.floors) {
    if (floor.memorisation.count == 0 || !floor.memorises()) continue;
    job.alarms["floors"].push_back(
        fmt::format("sigma {:.3g}: memorises its training images (memorisation {}, at most 1)",
                    floor.sigma, with_error(floor.memorisation)));
  }
}

}  // namespace halcyon
