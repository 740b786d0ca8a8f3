#include "training/sgd.h"

#include <torch/torch.h>

namespace halcyon {

Sgd::Sgd(const torch::Tensor& values) : velocity_(torch::zeros_like(values)) {}

void Sgd::update(const torch::Tensor& values, const torch::Tensor& gradient,
                 const OptimizerOptions& options, double rate, int64_t) {
  const torch::NoGradGuard no_grad;
  velocity_.mul_(options.momentum).add_(gradient);
  if (options.weight_decay > 0) values.mul_(1 - rate * options.weight_decay);
  values.add_(velocity_, -rate);
}

TensorMap Sgd::tensors(const FlatParameters& parameters) const {
  TensorMap tensors;
  insert_with_prefix(tensors, "velocity.", parameters.views(velocity_));
  return tensors;
}

}  // namespace halcyon
