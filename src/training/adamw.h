#pragma once

#include "training/optimizer.h"

namespace halcyon {

/// AdamW (Loshchilov and Hutter 2019, Algorithm 2).
struct AdamW final : Optimizer {
  explicit AdamW(const torch::Tensor& values);

  void update(const OptimizerStep& step, const OptimizerOptions& options) override;
  TensorMap tensors(const FlatParameters& parameters) const override;

  torch::Tensor mean;    ///< running mean of the gradient, as values
  torch::Tensor square;  ///< running mean of its square, as values
};

}  // namespace halcyon
