#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/data_loading.h"
#include "cli/fisher_report.h"
#include "cli/fisher_study.h"
#include "cli/progress.h"
#include "cli/run_options.h"
#include "cli/training_events.h"
#include "core/preconditioning.h"
#include "data/batch_stream.h"
#include "fisher/score_norms.h"
#include "fisher/sigma_bins.h"
#include "io/metrics_log.h"
#include "io/run_directory.h"
#include "samplers/registry.h"
#include "training/train_step.h"
#include "training/weight_consolidation.h"

namespace halcyon {

/// A training run around its steps: what is logged, drawn, measured and kept.  The options are
/// resolved: nothing in them is left to be found out.
class TrainingSession {
 public:
  /// The Fisher table is made of images of `held_out`.
  TrainingSession(const TrainingRun& options, RunDirectory directory, ImageSet images,
                  const HeldOut& held_out, torch::Device device);

  /// Begins with the weights of training.init, if any, and with what is to be remembered.
  void begin();

  /// Goes back to the newest checkpoint of the run directory, drops what was logged after it, and
  /// makes the pictures and the table of its step again where they are due.
  void resume();

  /// Trains to the last step, or until an InterruptGuard of the caller notes a signal.  Returns 0,
  /// or 128 + the signal that stopped it; either way the state reached is in a checkpoint.
  int run();

 private:
  /// Batches of the training images and of what is replayed, from where the state stands.
  std::function<TrainingBatch()> batches() const;
  void load_what_is_remembered();
  /// @throws ConfigError if the rows so far have other columns
  void require_same_bands() const;
  /// Adds what the gradient is in bands of noise levels to the step's figures, where a row is due.
  void measure_bands(const StepObjective& objective, StepReport& report) const;
  bool after_step(const StepReport& report);
  void open_events();
  void log_row(const StepReport& report);
  void report_state();
  void draw_samples_picture();
  void measure_fisher();
  void checkpoint();
  void plot_loss() const;
  /// Where the training images lie.
  Residence residence() const;
  bool due(int64_t every) const { return due_at(state_.step, every); }
  bool due_at(int64_t step, int64_t every) const;

  TrainingRun options_;
  RunDirectory directory_;
  ImageSet images_;
  std::string held_out_split_;
  torch::Device device_;
  ImageShape shape_;
  std::unique_ptr<Preconditioning> preconditioning_;
  ModelRange range_;
  DenoisingScoreMatching objective_;
  TrainingState state_;
  MetricsLog metrics_;
  SampleMoments loss_window_;  // since the last row
  std::string fingerprint_;
  FisherReference reference_;
  torch::Tensor mean_image_;  // of the training images
  FisherStudy study_;
  SigmaBins training_bins_;  // since the last Fisher table
  ScoreNorms score_norms_;   // of the same samples
  std::optional<WeightConsolidation> remembered_;
  ImageSet replayed_;  // or none
  std::optional<TrainingEvents> events_;
  std::optional<Progress> progress_;
};

}  // namespace halcyon
