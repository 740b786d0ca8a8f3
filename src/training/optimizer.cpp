#include "training/optimizer.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <cmath>
#include <numbers>

#include "core/error.h"
#include "core/require.h"

namespace halcyon {

void check_options(const OptimizerOptions& o) {
  require_option(o.learning_rate > 0 && std::isfinite(o.learning_rate), "optimizer.learning_rate",
                 "a number > 0", o.learning_rate);
  require_option(o.warmup_steps >= 0, "optimizer.warmup_steps", "a whole number >= 0",
                 o.warmup_steps);
  require_option(o.beta1 >= 0 && o.beta1 < 1, "optimizer.beta1", "a number in [0, 1)", o.beta1);
  require_option(o.beta2 >= 0 && o.beta2 < 1, "optimizer.beta2", "a number in [0, 1)", o.beta2);
  require_option(o.epsilon > 0, "optimizer.epsilon", "a number > 0", o.epsilon);
  require_option(o.weight_decay >= 0, "optimizer.weight_decay", "a number >= 0", o.weight_decay);
  require_option(o.gradient_clip >= 0, "optimizer.gradient_clip", "a number >= 0", o.gradient_clip);
}

double learning_rate(const OptimizerOptions& options, int64_t step, int64_t total) {
  const auto warmup = static_cast<double>(options.warmup_steps);
  const auto now = static_cast<double>(step);
  if (now < warmup) return options.learning_rate * now / warmup;
  if (options.decay == LearningRateDecay::constant) return options.learning_rate;
  const double left = std::max(static_cast<double>(total) - warmup, 1.0);
  const double progress = std::min((now - warmup) / left, 1.0);
  return options.learning_rate * 0.5 * (1 + std::cos(std::numbers::pi * progress));
}

AdamW::AdamW(const torch::Tensor& values)
    : mean(torch::zeros_like(values)), square(torch::zeros_like(values)) {}

void AdamW::update(const torch::Tensor& values, const torch::Tensor& gradients,
                   const OptimizerOptions& options, double rate, int64_t step) {
  const torch::NoGradGuard no_grad;
  const auto n = static_cast<double>(step);
  mean.mul_(options.beta1).add_(gradients, 1 - options.beta1);
  square.mul_(options.beta2).addcmul_(gradients, gradients, 1 - options.beta2);
  const double mean_bias = 1 - std::pow(options.beta1, n);
  const double square_bias = 1 - std::pow(options.beta2, n);
  const auto root = (square / square_bias).sqrt_().add_(options.epsilon);
  if (options.weight_decay > 0) values.mul_(1 - rate * options.weight_decay);
  values.addcdiv_(mean, root, -rate / mean_bias);
}

void clip_gradient(const torch::Tensor& gradients, double norm, double limit) {
  if (limit > 0 && norm > limit) gradients.mul_(limit / norm);
}

}  // namespace halcyon
