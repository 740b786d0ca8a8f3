#pragma once

#include <torch/types.h>

#include <functional>

#include "core/denoising_loss.h"
#include "core/preconditioning.h"
#include "curvature/regression.h"
#include "training/drawn_batch.h"
#include "training/flat_parameters.h"

namespace halcyon {

/// What the gradient of a training step is a gradient of: the mean weighted loss of a batch with
/// the noise that it had.
class StepObjective {
 public:
  /// What the step works with.
  struct Parts {
    ScoreNetwork& network;
    FlatParameters& parameters;  ///< the network's
    const Preconditioning& preconditioning;
    const DenoisingScoreMatching& objective;
    at::Generator& dropout;
    int64_t accumulate;  ///< parts that the batch is worked in
  };

  /// `loss` of the drawn batch; `dropout`: the state of that generator before it.
  StepObjective(const Parts& parts, const DrawnBatch& batch, const DenoisingLoss& loss,
                torch::Tensor dropout);

  /// By the values that the gradient is of.
  double loss() const;
  struct Now {
    double loss;
    double kl;  ///< of the likelihood from what it was, in nats of one pixel and channel
  };
  /// By the parameters' values as they are now, with the same noise and the same dropout masks.
  Now evaluate() const;

  /// Noise levels of the images, [B].
  const torch::Tensor& sigma() const { return batch_.sigma; }
  /// The gradient of the mean loss of the images at `index`, [P] in the module's own order, with
  /// the same noise and new dropout masks.  The parameters' own gradients stay as they are.
  torch::Tensor gradient(const torch::Tensor& index) const;

  using See = std::function<void(Denoiser&, const RegressionBatch&)>;
  /// Shows `count` of the images, or all if they are fewer, spread over the noise levels, as a
  /// regression whose mean -ln p is the loss but for a constant.  An image weighs w / d on
  /// |D - x_0|^2 in it, with d numbers, so that tau^2 = d / (2 w): nats are those of one pixel and
  /// channel.
  void regress(int64_t count, const See& see) const;

 private:
  Parts parts_;
  const DrawnBatch& batch_;
  const DenoisingLoss& loss_;
  torch::Tensor dropout_;
};

}  // namespace halcyon
