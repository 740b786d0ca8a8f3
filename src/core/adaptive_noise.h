#pragma once

#include <torch/types.h>

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/tensor_map.h"

namespace halcyon {

/// What the density of the training noise follows; AdaptiveNoise has the equations.
enum class NoiseAdaptation { none, information, divergence };

inline constexpr std::array<std::pair<NoiseAdaptation, const char*>, 3> enum_names(
    NoiseAdaptation) {
  return {{{NoiseAdaptation::none, "none"},
           {NoiseAdaptation::information, "information"},
           {NoiseAdaptation::divergence, "divergence"}}};
}

struct AdaptiveNoiseOptions {
  NoiseAdaptation adaptive = NoiseAdaptation::none;
  int64_t adaptive_bins = 24;
  double adaptive_floor = 0.25;
  bool keep_objective = true;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.adaptive, "adaptive",
          "what steers the noise levels drawn: nothing, the information rate, or the divergence "
          "that is still falling");
    field(self.adaptive_bins, "adaptive_bins", "bins over the noise levels (adaptive), >= 2");
    field(self.adaptive_floor, "adaptive_floor",
          "share of the samples that keep to the distribution (adaptive), in (0, 1]");
    field(self.keep_objective, "keep_objective",
          "weigh samples so that the expected loss is that of the distribution (adaptive)");
  }
};

/// Quantiles of a base distribution of noise levels, drawn more often where they matter.
struct NoiseQuantiles {
  torch::Tensor quantile;  ///< [B] float64 in [0, 1), of the base distribution of sigma
  torch::Tensor weight;    ///< [B] float64: what a sample counts in the loss
};

/// A density rho on the quantiles u of a base distribution of sigma, learnt as training goes from
/// the errors it sees anyway, with e(u) = E |x_0 - D|^2 / (d sigma^2) in each of K equal bins of u:
///
///     rho = floor + (1 - floor) g / mean(g)
///     information  g = e: the information rate d e bounds -dI(x_0; x) / d ln sigma from above
///     divergence   g = max(0, e_slow - e_fast): means of e over the last 1/2 and the last 1/8 of
///                  the images.  e = its unknown floor + sigma^2 FD / d, and the floor cancels; if
///                  FD falls as a power of the images seen, the same at all levels, g is
///                  proportional to it.
///
/// With keep_objective a sample weighs 1 / rho <= 1 / floor, so that the expected loss, and with it
/// the minimum, is that of the base distribution; without, the density is part of the objective.
/// rho = 1 for the first 64 K images.  A base that is even in ln sigma makes rho a density in ln
/// sigma.  Deterministic: the same draws and errors lead to the same rho, bit for bit.
class AdaptiveNoise {
 public:
  /// @throws ConfigError unless adaptive_bins >= 2 and adaptive_floor in (0, 1].
  explicit AdaptiveNoise(const AdaptiveNoiseOptions& options);

  bool enabled() const { return options_.adaptive != NoiseAdaptation::none; }

  /// Uniform numbers u [B] in [0, 1) carried to quantiles of density rho, in order; on u's device.
  NoiseQuantiles draw(const torch::Tensor& u) const;

  /// What a step of B images saw: quantiles [B] and |x_0 - D|^2 / (d sigma^2) [B].
  void add(const torch::Tensor& quantile, const torch::Tensor& eps_error);

  /// rho of each bin; its mean is 1.
  std::vector<double> density() const;

  /// What a copy is made of; empty unless enabled.
  TensorMap state() const;
  /// `state` is laid out as state().
  void load(const TensorMap& state);

 private:
  AdaptiveNoiseOptions options_;
  torch::Tensor slow_, fast_;  // [2, K] float64: decayed sum of errors, and of samples
  int64_t images_ = 0;
};

}  // namespace halcyon
