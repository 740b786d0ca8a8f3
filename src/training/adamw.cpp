#include "training/adamw.h"

#include <cmath>

#include "core/torch.h"

namespace halcyon {

AdamW::AdamW(const torch::Tensor& values)
    : mean(torch::zeros_like(values)), square(torch::zeros_like(values)) {}

void AdamW::update(const OptimizerStep& step, const OptimizerOptions& options) {
  const torch::NoGradGuard no_grad;
  const auto& [values, gradient, rate, number, objective] = step;
  const auto n = static_cast<double>(number);
  mean.mul_(options.beta1).add_(gradient, 1 - options.beta1);
  square.mul_(options.beta2).addcmul_(gradient, gradient, 1 - options.beta2);
  const double mean_bias = 1 - std::pow(options.beta1, n);
  const double square_bias = 1 - std::pow(options.beta2, n);
  const auto root = (square / square_bias).sqrt_().add_(options.epsilon);
  if (options.weight_decay > 0) values.mul_(1 - rate * options.weight_decay);
  values.addcdiv_(mean, root, -rate / mean_bias);
}

TensorMap AdamW::tensors(const FlatParameters& parameters) const {
  TensorMap tensors;
  insert_with_prefix(tensors, "mean.", parameters.views(mean));
  insert_with_prefix(tensors, "square.", parameters.views(square));
  return tensors;
}

}  // namespace halcyon
