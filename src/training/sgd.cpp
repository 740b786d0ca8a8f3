#include "training/sgd.h"

#include "core/torch.h"

namespace halcyon {

Sgd::Sgd(const torch::Tensor& values) : velocity_(torch::zeros_like(values)) {}

void Sgd::update(const OptimizerStep& step, const OptimizerOptions& options) {
  const torch::NoGradGuard no_grad;
  velocity_.mul_(options.momentum).add_(step.gradient);
  if (options.weight_decay > 0) step.values.mul_(1 - step.rate * options.weight_decay);
  step.values.add_(velocity_, -step.rate);
}

TensorMap Sgd::tensors(const FlatParameters& parameters) const {
  TensorMap tensors;
  insert_with_prefix(tensors, "velocity.", parameters.views(velocity_));
  return tensors;
}

}  // namespace halcyon
