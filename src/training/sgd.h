#pragma once

#include "training/optimizer.h"

namespace halcyon {

/// Gradient descent with momentum (Polyak 1964):
///
///     v <- momentum v + g,   theta <- theta - rate v
///
/// with weight decay decoupled as AdamW's.
class Sgd final : public Optimizer {
 public:
  explicit Sgd(const torch::Tensor& values);

  void update(const OptimizerStep& step, const OptimizerOptions& options) override;
  TensorMap tensors(const FlatParameters& parameters) const override;

 private:
  torch::Tensor velocity_;
};

}  // namespace halcyon
