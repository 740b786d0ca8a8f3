#pragma once

#include <torch/types.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/denoising_loss.h"
#include "core/precision.h"
#include "training/recorded_gradient.h"
#include "training/step_objective.h"
#include "training/training_state.h"
#include "training/weight_consolidation.h"

namespace halcyon {

struct TrainingOptions {
  std::string init;
  int64_t steps = 10000;
  int64_t batch = 64;
  int64_t accumulate = 1;
  bool recompute = false;
  double label_dropout = 0.1;
  Precision precision = Precision::automatic;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.init, "init",
          "checkpoint to begin with the weights of (fine-tuning); model, preconditioning and loss "
          "are then as there unless a key says otherwise; empty: random weights");
    field(self.steps, "steps", "optimiser steps of the whole run, > 0");
    field(self.batch, "batch", "images a step, > 0");
    field(self.accumulate, "accumulate",
          "parts a batch is worked in, to save memory; divides batch");
    field(self.recompute, "recompute",
          "compute features anew in the backward pass, to save memory (gradient checkpointing)");
    field(self.label_dropout, "label_dropout",
          "share of images whose label is hidden (class-conditional models), in [0, 1]");
    field(self.precision, "precision", kPrecisionHelp);
  }
};

/// @throws ConfigError naming the key unless every option is in its range.
void check_options(const TrainingOptions& options);

struct TrainingBatch {
  torch::Tensor x0;     ///< [B, C, H, W] float32, model units
  torch::Tensor label;  ///< [B] int64, or undefined
};

/// What one step did; per-sample tensors [B] are left to whoever bins or averages them.
struct StepReport {
  int64_t step = 0;
  int64_t images = 0;
  double learning_rate = 0;
  double grad_norm = 0;  ///< before clipping
  torch::Tensor x0;      ///< the batch that was seen
  DenoisingLoss loss;    ///< of it, before the step; detached
  /// Of the optimiser, ewc_nats, and what TrainingTask::look found.
  std::vector<std::pair<std::string, double>> figures;
};

/// What stays the same from step to step.
struct TrainingTask {
  TrainingOptions training;
  OptimizerOptions optimizer;
  const DenoisingScoreMatching& objective;
  const Preconditioning& preconditioning;
  RecordedGradient* recorded = nullptr;  ///< what records and replays gradients; null: nothing
  const WeightConsolidation* remembered = nullptr;  ///< null: nothing
  /// Sees what each gradient is of before the step is taken, and may draw dropout masks, which
  /// changes nothing of the run; adds to the step's figures.
  std::function<void(const StepObjective&, StepReport&)> look = {};
};

/// One optimiser step on `batch` of task.training.batch images.
/// @throws NonFiniteError naming the step and the range of sigma if the loss or the gradient is
/// not finite; weights, averages and optimiser are then those of the step before, but for an
/// optimiser that observes.
StepReport train_step(TrainingState& state, const TrainingTask& task, const TrainingBatch& batch);

/// Steps until task.training.steps are done or `on_step` returns false.
void train(TrainingState& state, const TrainingTask& task,
           const std::function<TrainingBatch()>& next_batch,
           const std::function<bool(const StepReport&)>& on_step);

}  // namespace halcyon
