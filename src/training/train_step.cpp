#include "training/train_step.h"

#include <fmt/format.h>

#include <cmath>

#include "core/error.h"
#include "core/require.h"
#include "core/torch.h"
#include "training/parameter_update.h"

namespace halcyon {
namespace {

/// Labels with a share of them hidden: index num_classes is "no class".
torch::Tensor with_dropout(const torch::Tensor& label, int64_t num_classes, double share,
                           at::Generator& rng) {
  if (!label.defined() || num_classes == 0) return {};
  const auto uniform = torch::rand(label.sizes(), rng, label.options().dtype(torch::kFloat32));
  return torch::where(uniform < share, torch::full_like(label, num_classes), label);
}

DenoisingLoss joined(const std::vector<DenoisingLoss>& parts) {
  const auto all = [&](torch::Tensor DenoisingLoss::*part) {
    std::vector<torch::Tensor> tensors;
    tensors.reserve(parts.size());
    for (const auto& loss : parts) tensors.push_back((loss.*part).detach());
    return torch::cat(tensors);
  };
  return {all(&DenoisingLoss::sigma), all(&DenoisingLoss::error), all(&DenoisingLoss::weighted),
          all(&DenoisingLoss::noise), all(&DenoisingLoss::denoised)};
}

/// [B] with every accumulate-th element in the same part, one part after the other: each part
/// covers what the whole batch does.
torch::Tensor strided(const torch::Tensor& t, int64_t accumulate) {
  return t.view({-1, accumulate}).t().reshape({-1});
}

/// Draws noise levels, and which labels are hidden.
DrawnBatch draw(TrainingState& state, const TrainingTask& task, const TrainingBatch& batch) {
  const auto count = batch.x0.size(0);
  const auto drawn =
      state.noise.draw(DenoisingScoreMatching::draw_uniform(count, batch.x0, state.noise_rng));
  const auto label = with_dropout(batch.label, state.network->num_classes(),
                                  task.training.label_dropout, state.noise_rng);
  const auto quantile = strided(drawn.quantile, task.training.accumulate);
  const auto weight = strided(drawn.weight, task.training.accumulate);
  return {batch.x0, label, quantile, task.objective.sigma_at(quantile, batch.x0),
          weight.to(batch.x0.scalar_type())};
}

/// Draws noise and adds the gradient of the mean weighted loss, part by part.
DenoisingLoss add_gradient(TrainingState& state, const TrainingTask& task,
                           const DrawnBatch& batch) {
  const auto count = batch.x0.size(0);
  const int64_t part = count / task.training.accumulate;
  std::vector<DenoisingLoss> parts;
  for (int64_t begin = 0; begin < count; begin += part) {
    const auto slice = [&](const torch::Tensor& t) {
      return t.defined() ? t.narrow(0, begin, part) : t;
    };
    PreconditionedDenoiser denoiser(*state.network, task.preconditioning, slice(batch.label));
    auto loss = task.objective.loss(denoiser, slice(batch.x0), slice(batch.sigma), state.noise_rng);
    loss.weighted = loss.weighted * slice(batch.weight);
    (loss.weighted.sum() / static_cast<double>(count)).backward();
    if (task.training.accumulate > 1) state.parameters.collect_gradients();
    parts.push_back(loss);
  }
  return joined(parts);
}

DenoisingLoss gradient_step(TrainingState& state, const TrainingTask& task,
                            const DrawnBatch& batch) {
  state.parameters.clear_gradients();
  const auto gradient = [&state, task](const DrawnBatch& of) {
    return add_gradient(state, task, of);
  };
  if (task.recorded == nullptr) return gradient(batch);
  return task.recorded->run(gradient, state.parameters, batch,
                            {state.noise_rng, state.dropout_rng});
}

void require_finite(const StepReport& report, double loss) {
  if (std::isfinite(loss) && std::isfinite(report.grad_norm)) return;
  throw NonFiniteError(fmt::format(
      "step {}: the loss is {} and the gradient norm {}; sigma was in [{:.4g}, {:.4g}].  Want "
      "finite numbers: try a lower optimizer.learning_rate",
      report.step, loss, report.grad_norm, report.loss.sigma.min().item<double>(),
      report.loss.sigma.max().item<double>()));
}

}  // namespace

void check_options(const TrainingOptions& o) {
  require_option(o.steps > 0, "training.steps", "a whole number > 0", o.steps);
  require_option(o.batch > 0 && o.batch <= 1 << 20, "training.batch",
                 "a whole number in 1 .. 1048576", o.batch);
  require_option(o.accumulate > 0 && o.batch % o.accumulate == 0, "training.accumulate",
                 "a whole number > 0 that divides training.batch", o.accumulate);
  require_option(o.label_dropout >= 0 && o.label_dropout <= 1, "training.label_dropout",
                 "a number in [0, 1]", o.label_dropout);
}

StepReport train_step(TrainingState& state, const TrainingTask& task, const TrainingBatch& batch) {
  state.network->train();
  state.network->recompute_features(task.training.recompute);
  const auto drawn = draw(state, task, batch);

  StepReport report;
  report.step = state.step + 1;
  report.images = state.images + batch.x0.size(0);
  report.learning_rate = learning_rate(task.optimizer, report.step, task.training.steps);
  report.x0 = batch.x0;
  auto& optimizer = *state.optimizer;
  const auto dropout = optimizer.observes() ? state.dropout_rng.get_state() : torch::Tensor();
  report.loss = gradient_step(state, task, drawn);
  const double ewc_nats = task.remembered ? task.remembered->add_gradient(state.parameters) : 0;
  report.grad_norm = gradient_norm(state.parameters);
  require_finite(report, report.loss.weighted.mean().item<double>());

  const StepObjective objective({*state.network, state.parameters, task.preconditioning,
                                 task.objective, state.dropout_rng, task.training.accumulate},
                                drawn, report.loss, dropout);
  if (task.look) {
    state.network->recompute_features(false);
    const auto present = state.dropout_rng.get_state();
    task.look(objective, report);
    state.dropout_rng.set_state(present);
  }
  const UpdateTime now = {report.step, batch.x0.size(0), report.images, report.learning_rate,
                          &objective};
  update_parameters(state.parameters, optimizer, state.emas, task.optimizer, report.grad_norm, now);
  const auto figures = optimizer.figures();
  report.figures.insert(report.figures.end(), figures.begin(), figures.end());
  if (task.remembered) report.figures.emplace_back("ewc_nats", ewc_nats);
  state.noise.add(drawn.quantile, report.loss.error / report.loss.sigma.square());
  state.step = report.step;
  state.images = report.images;
  return report;
}

void train(TrainingState& state, const TrainingTask& task,
           const std::function<TrainingBatch()>& next_batch,
           const std::function<bool(const StepReport&)>& on_step) {
  while (state.step < task.training.steps) {
    const auto report = train_step(state, task, next_batch());
    if (!on_step(report)) break;
  }
}

}  // namespace halcyon
