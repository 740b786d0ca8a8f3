#pragma once

#include <torch/types.h>

#include <functional>
#include <string>
#include <vector>

#include "cli/operator_profile.h"
#include "cli/run_options.h"
#include "cli/stopwatch.h"
#include "core/preconditioning.h"
#include "models/network_shape.h"
#include "training/train_step.h"

namespace halcyon {

/// What the machine can do at most, as measured in the same run; 0 where it was not.
struct Ceilings {
  double bytes = 0;     ///< a second, read and written in a copy
  double float32 = 0;   ///< operations a second of a 3x3 convolution
  double bfloat16 = 0;  ///< the same in bfloat16
};

/// A line of the table: some work, how long a run takes and how much it does.
struct BenchRow {
  std::string part;  ///< as in --only
  std::string work;
  Timing time;
  double images = 0;  ///< of a run, as the next two; 0: not counted in it
  double flops = 0;
  double bytes = 0;
  double ratio = 0;        ///< time an image, or a run, over that of the row below; 0: not compared
  double peak_memory = 0;  ///< bytes, of the process or the GPU while the part ran
};

/// Some work, `times` times, by its operators.
struct Profile {
  std::string work;
  int64_t times;
  std::vector<OperatorTime> operators;
};

/// What there is to measure, and what has been.
struct BenchJob {
  Recipe recipe;
  ImageShape shape;
  int64_t batch;
  int64_t repeats;
  torch::Device device;
  int64_t parameters = 0;
  double forward_flops = 0;  ///< of one evaluation of one image
  Ceilings ceilings = {};
  std::vector<BenchRow> rows = {};
  std::vector<Profile> profiles = {};

  /// time_in_turn() behind a live line called `label`.  May be interrupted.
  std::vector<Timing> time(const std::string& label,
                           const std::vector<std::function<void()>>& works) const;
};

/// The configured network, its weights drawn from run.seed.
std::shared_ptr<ScoreNetwork> bench_network(const BenchJob& job);

/// The configured network with all that a training step of it needs, on random images.
class TrainingBench {
 public:
  explicit TrainingBench(const BenchJob& job);

  /// From now on steps replay a recorded gradient, or do not.
  void record(bool on);
  void step();
  /// Gives every parameter a gradient, for update().
  void draw_gradients();
  /// The end of a step: gradient norm and clipping, AdamW, averages.
  void update();
  TrainingState& state() { return state_; }

 private:
  PreconditioningOptions options_;
  std::unique_ptr<Preconditioning> preconditioning_;
  DenoisingScoreMatching objective_;
  TrainingState state_;
  TrainingTask task_;
  TrainingBatch batch_;
  RecordedGradient recorded_;
  int64_t updates_ = 0;
};

/// The configured network as sampling evaluates it, on random images.
class EvaluationBench {
 public:
  EvaluationBench(const BenchJob& job, int64_t images);

  /// From now on evaluations are replayed on a GPU, or are not.
  void replay(bool on) { network_->replay_evaluations(on); }
  /// Of the first `images`.
  void evaluate(int64_t images);

 private:
  std::shared_ptr<ScoreNetwork> network_;
  std::unique_ptr<Preconditioning> preconditioning_;
  PreconditionedDenoiser denoiser_;
  torch::Tensor x_, sigma_;
};

/// A part of `halcyon bench`, which adds its rows.
struct BenchPart {
  const char* name;     ///< as in --only
  const char* summary;  ///< one line for `halcyon list bench`
  void (*measure)(BenchJob& job);
};

/// All parts, in the order they are measured.
const std::vector<BenchPart>& bench_parts();

void bench_ceilings(BenchJob& job);
void bench_training_step(BenchJob& job);
void bench_evaluation(BenchJob& job);
void bench_data(BenchJob& job);
void bench_optimizer(BenchJob& job);
void bench_kernels(BenchJob& job);

}  // namespace halcyon
