#pragma once

#include <torch/types.h>

#include <functional>
#include <memory>
#include <vector>

#include "core/denoising_loss.h"
#include "training/drawn_batch.h"
#include "training/flat_parameters.h"

namespace halcyon {

/// The gradient of training steps on a GPU, recorded at the first of a shape and replayed at those
/// that follow (CUDA graphs): the same numbers with less work for the CPU, and more memory.
class RecordedGradient {
 public:
  /// Draws noise, leaves the gradient in the parameters and returns the loss.  It may not wait for
  /// the device, and draws from the generators given only.
  using Gradient = std::function<DenoisingLoss(const DrawnBatch&)>;
  using Generators = std::vector<at::Generator>;
  /// Records work, which draws from the generators, and returns what replays it.
  using Recorder = std::function<std::function<void()>(
      torch::Device, const std::function<void()>& work, const Generators&)>;

  RecordedGradient();  ///< with CUDA graphs: wants cuda::RecordedWork::may_draw()
  explicit RecordedGradient(Recorder recorder);
  ~RecordedGradient();

  /// gradient(batch), or its replay, for `parameters` without gradients.
  DenoisingLoss run(const Gradient& gradient, FlatParameters& parameters, const DrawnBatch& batch,
                    const Generators& rngs);

 private:
  struct Recording;

  void record(const Gradient& gradient, FlatParameters& parameters, const DrawnBatch& batch,
              const Generators& rngs);

  Recorder recorder_;
  std::unique_ptr<Recording> recording_;
};

}  // namespace halcyon
