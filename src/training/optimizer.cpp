#include "training/optimizer.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <cmath>
#include <numbers>

#include "core/error.h"

namespace halcyon {

void check_options(const OptimizerOptions& o) {
  const auto want = [](bool good, const char* key, const char* range, auto got) {
    if (!good) throw ConfigError(fmt::format("optimizer.{}: want {}, got {}", key, range, got));
  };
  want(o.learning_rate > 0 && std::isfinite(o.learning_rate), "learning_rate", "a number > 0",
       o.learning_rate);
  want(o.warmup_steps >= 0, "warmup_steps", "a whole number >= 0", o.warmup_steps);
  want(o.beta1 >= 0 && o.beta1 < 1, "beta1", "a number in [0, 1)", o.beta1);
  want(o.beta2 >= 0 && o.beta2 < 1, "beta2", "a number in [0, 1)", o.beta2);
  want(o.epsilon > 0, "epsilon", "a number > 0", o.epsilon);
  want(o.weight_decay >= 0, "weight_decay", "a number >= 0", o.weight_decay);
  want(o.gradient_clip >= 0, "gradient_clip", "a number >= 0", o.gradient_clip);
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

double clip_gradient(const torch::Tensor& gradients, double limit) {
  const double norm = gradients.norm().item<double>();
  if (limit > 0 && norm > limit) gradients.mul_(limit / norm);
  return norm;
}

}  // namespace halcyon
