#pragma once

#include <torch/types.h>

#include <array>
#include <cstdint>
#include <utility>

namespace halcyon {

enum class LearningRateDecay { constant, cosine };

inline constexpr std::array<std::pair<LearningRateDecay, const char*>, 2> enum_names(
    LearningRateDecay) {
  return {{{LearningRateDecay::constant, "constant"}, {LearningRateDecay::cosine, "cosine"}}};
}

struct OptimizerOptions {
  double learning_rate = 2e-4;
  int64_t warmup_steps = 500;
  LearningRateDecay decay = LearningRateDecay::constant;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
  double gradient_clip = 1.0;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.learning_rate, "learning_rate", "learning rate after warm-up, > 0");
    field(self.warmup_steps, "warmup_steps", "steps over which the rate rises linearly from 0");
    field(self.decay, "decay", "after warm-up: constant, or cosine to 0 at the last step");
    field(self.beta1, "beta1", "decay of the gradient's running mean, in [0, 1)");
    field(self.beta2, "beta2", "decay of its running square, in [0, 1)");
    field(self.epsilon, "epsilon", "added to the root of the running square, > 0");
    field(self.weight_decay, "weight_decay",
          "decoupled weight decay, per unit learning rate, >= 0");
    field(self.gradient_clip, "gradient_clip", "largest norm of the gradient; 0: no clipping");
  }
};

/// @throws ConfigError naming the key unless every option is in its range.
void check_options(const OptimizerOptions& options);

/// The rate of step `step` (from 1) of `total`: linear warm-up, then constant or half a cosine.
double learning_rate(const OptimizerOptions& options, int64_t step, int64_t total);

/// AdamW (Loshchilov and Hutter 2019, Algorithm 2) on one flat vector of parameters.
struct AdamW {
  explicit AdamW(const torch::Tensor& values);

  /// One update of `values` in place; `step` counts from 1.
  void update(const torch::Tensor& values, const torch::Tensor& gradients,
              const OptimizerOptions& options, double rate, int64_t step);

  torch::Tensor mean;    ///< running mean of the gradient, as values
  torch::Tensor square;  ///< running mean of its square, as values
};

/// Scales `gradients`, of the norm given, in place so that it is at most `limit` (0: leaves them).
void clip_gradient(const torch::Tensor& gradients, double norm, double limit);

}  // namespace halcyon
