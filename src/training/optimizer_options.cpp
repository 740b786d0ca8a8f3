#include "training/optimizer_options.h"

#include <cmath>
#include <numbers>

#include "core/registry.h"
#include "core/require.h"
#include "training/optimizer.h"

namespace halcyon {
namespace {

void check_options(const NaturalOptions& o) {
  require_option(o.damping > 0 && std::isfinite(o.damping), "optimizer.natural.damping",
                 "a number > 0", o.damping);
  require_option(o.factor_every > 0, "optimizer.natural.factor_every", "a whole number > 0",
                 o.factor_every);
  require_option(o.inverse_every > 0 && o.inverse_every % o.factor_every == 0,
                 "optimizer.natural.inverse_every",
                 "a multiple of optimizer.natural.factor_every > 0", o.inverse_every);
  require_option(o.factor_decay >= 0 && o.factor_decay < 1, "optimizer.natural.factor_decay",
                 "a number in [0, 1)", o.factor_decay);
  require_option(o.kl_clip >= 0, "optimizer.natural.kl_clip", "a number >= 0", o.kl_clip);
  require_option(o.momentum >= 0 && o.momentum < 1, "optimizer.natural.momentum",
                 "a number in [0, 1)", o.momentum);
  require_option(o.images > 0, "optimizer.natural.images", "a whole number > 0", o.images);
}

}  // namespace

void check_options(const OptimizerOptions& o) {
  find_entry(optimizer_registry(), o.name, "optimizer.name");
  require_option(o.learning_rate > 0 && std::isfinite(o.learning_rate), "optimizer.learning_rate",
                 "a number > 0", o.learning_rate);
  require_option(o.warmup_steps >= 0, "optimizer.warmup_steps", "a whole number >= 0",
                 o.warmup_steps);
  require_option(o.beta1 >= 0 && o.beta1 < 1, "optimizer.beta1", "a number in [0, 1)", o.beta1);
  require_option(o.beta2 >= 0 && o.beta2 < 1, "optimizer.beta2", "a number in [0, 1)", o.beta2);
  require_option(o.epsilon > 0, "optimizer.epsilon", "a number > 0", o.epsilon);
  require_option(o.momentum >= 0 && o.momentum < 1, "optimizer.momentum", "a number in [0, 1)",
                 o.momentum);
  require_option(o.newton_schulz_steps > 0 && o.newton_schulz_steps <= 100,
                 "optimizer.newton_schulz_steps", "a whole number in 1 .. 100",
                 o.newton_schulz_steps);
  require_option(o.weight_decay >= 0, "optimizer.weight_decay", "a number >= 0", o.weight_decay);
  require_option(o.gradient_clip >= 0, "optimizer.gradient_clip", "a number >= 0", o.gradient_clip);
  check_options(o.natural);
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

}  // namespace halcyon
