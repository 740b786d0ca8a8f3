#include <fmt/format.h>

#include <set>

#include "cli/bench_job.h"
#include "core/random.h"
#include "core/torch.h"
#include "data/batch_stream.h"
#include "kernels/cuda/recorded_work.h"
#include "models/registry.h"
#include "training/parameter_update.h"

namespace halcyon {
namespace {

/// There are no data to measure sigma_data from.
PreconditioningOptions with_data_scale(PreconditioningOptions options) {
  if (options.sigma_data == 0) options.sigma_data = 0.5;
  return options;
}

TrainingOptions with_batch(TrainingOptions options, int64_t batch) {
  options.batch = batch;
  return options;
}

torch::Tensor random_images(const BenchJob& job, int64_t count) {
  auto rng = make_generator(job.recipe.randomness.seed, "images");
  return torch::randint(256, {count, job.shape.channels, job.shape.height, job.shape.width}, rng,
                        torch::kUInt8);
}

std::string of_batch(const char* what, int64_t batch) {
  return fmt::format("{} of {} image{}", what, batch, batch == 1 ? "" : "s");
}

}  // namespace

std::shared_ptr<ScoreNetwork> bench_network(const BenchJob& job) {
  auto rng = make_generator(job.recipe.randomness.seed, "weights");
  torch::manual_seed(rng.current_seed());
  return make_network(job.recipe.model, job.shape, /*num_classes=*/0);
}

TrainingBench::TrainingBench(const BenchJob& job)
    : options_(with_data_scale(job.recipe.preconditioning)),
      preconditioning_(make_preconditioning(options_)),
      objective_(job.recipe.loss, options_),
      state_(bench_network(job), job.recipe.ema, job.recipe.randomness.seed, job.device,
             job.recipe.loss.adaptive, job.recipe.optimizer.name),
      task_{with_batch(job.recipe.training, job.batch), job.recipe.optimizer, objective_,
            *preconditioning_},
      batch_{to_model_units(random_images(job, job.batch)).to(job.device), {}} {
  check_options(task_.training);
  check_options(task_.optimizer);
  state_.network->use_type(scalar_type(job.recipe.training.precision));
}

void TrainingBench::record(bool on) { task_.recorded = on ? &recorded_ : nullptr; }

void TrainingBench::step() { train_step(state_, task_, batch_); }

void TrainingBench::draw_gradients() {
  for (const auto& slot : state_.parameters.slots()) {
    auto parameter = slot.parameter;
    parameter.mutable_grad() = torch::randn_like(parameter);
  }
}

void TrainingBench::update() {
  ++updates_;
  const double norm = gradient_norm(state_.parameters);
  update_parameters(state_.parameters, *state_.optimizer, state_.emas, task_.optimizer, norm,
                    {updates_, task_.training.batch, updates_ * task_.training.batch,
                     /*rate=*/1e-6});
}

void bench_training_step(BenchJob& job) {
  TrainingBench bench(job);
  const auto time_step = [&](const std::string& how) {
    BenchRow row{.part = "step", .work = of_batch("training step", job.batch) + how, .time = {}};
    row.time = job.time("training step", {[&] { bench.step(); }}).front();
    row.images = static_cast<double>(job.batch);
    row.flops = 3 * row.images * job.forward_flops;
    job.rows.push_back(row);
  };
  time_step("");
  const bool recordable = job.device.is_cuda() && cuda::RecordedWork::may_draw();
  if (!recordable || job.recipe.training.recompute) return;
  bench.record(true);
  time_step(", replayed");
}

EvaluationBench::EvaluationBench(const BenchJob& job, int64_t images)
    : network_(bench_network(job)),
      preconditioning_(make_preconditioning(with_data_scale(job.recipe.preconditioning))),
      denoiser_(*network_, *preconditioning_),
      x_(to_model_units(random_images(job, images)).to(job.device)),
      sigma_(torch::ones({images}, x_.options())) {
  network_->to(job.device);
  network_->eval();
  network_->use_type(scalar_type(job.recipe.training.precision));
  network_->fix_weights();
}

void EvaluationBench::evaluate(int64_t images) {
  const torch::NoGradGuard no_grad;
  denoiser_.denoise(x_.narrow(0, 0, images), sigma_.narrow(0, 0, images));
}

void bench_evaluation(BenchJob& job) {
  EvaluationBench bench(job, job.batch);
  // Rows of one image and of a batch; `how`: what is said of them.
  const auto time_evaluations = [&](const std::string& how) {
    std::vector<BenchRow> rows;
    std::vector<std::function<void()>> works;
    for (const int64_t batch : std::set<int64_t>{1, job.batch}) {
      works.emplace_back([&bench, batch] { bench.evaluate(batch); });
      BenchRow row{.part = "nfe", .work = of_batch("network evaluation", batch) + how, .time = {}};
      row.images = static_cast<double>(batch);
      row.flops = row.images * job.forward_flops;
      rows.push_back(row);
    }
    const auto times = job.time("network evaluation", works);
    for (size_t i = 0; i < rows.size(); ++i) rows[i].time = times[i];
    if (rows.size() > 1) {
      rows[0].ratio = rows[0].time.seconds / (rows[1].time.seconds / rows[1].images);
    }
    job.rows.insert(job.rows.end(), rows.begin(), rows.end());
  };
  bench.replay(job.device.is_cuda());
  time_evaluations("");
  if (!job.device.is_cuda()) return;
  bench.replay(false);
  time_evaluations(", not replayed");
}

void bench_data(BenchJob& job) {
  constexpr int64_t kImages = 4096;
  const ImageSet set{.images = random_images(job, kImages),
                     .labels = {},
                     .class_names = {},
                     .format = "random",
                     .warnings = {}};
  BatchStream stream(set, job.batch, job.recipe.data.flip, job.recipe.randomness.seed,
                     /*first_batch=*/0, job.device,
                     job.device.is_cuda() ? Residence::device : Residence::host);
  BenchRow row{.part = "data", .work = of_batch("batch", job.batch), .time = {}};
  row.time = job.time("data", {[&] { stream.next(); }}).front();
  row.images = static_cast<double>(job.batch);
  job.rows.push_back(row);
}

void bench_optimizer(BenchJob& job) {
  TrainingBench bench(job);
  auto& state = bench.state();
  if (state.optimizer->observes()) bench.step();
  bench.draw_gradients();
  BenchRow row{.part = "optimizer",
               .work = fmt::format(
                   "clip, {} and {} EMA of {:.1f} M parameters",
                   job.recipe.optimizer.name == "adamw" ? "AdamW" : job.recipe.optimizer.name,
                   state.emas.size(), 1e-6 * static_cast<double>(state.parameters.count())),
               .time = {}};
  row.time = job.time("optimizer", {[&] { bench.update(); }}).front();
  // At least: the gradient read twice; weights, two moments and the averages read and written.
  const double gradient = job.recipe.training.precision == Precision::bf16 ? 2 : 4;
  const double bytes = 2 * gradient + 2 * 4 * static_cast<double>(3 + state.emas.size());
  row.bytes = bytes * static_cast<double>(state.parameters.count());
  job.rows.push_back(row);
}

}  // namespace halcyon
