#pragma once

#include "samplers/options.h"
#include "samplers/sampler.h"

namespace halcyon {

/// Annealed Langevin dynamics whose steps may be refused, so that a level keeps its law whatever
/// the step (Metropolis-adjusted: Roberts and Tweedie 1996).  A proposal x' from x, made as by
/// AnnealedLangevinSampler, is taken with probability min(1, p(x') q(x | x') / (p(x) q(x' | x))),
/// where
///
///     ln p(x') - ln p(x) = int_0^1 s(x + t (x' - x)) . (x' - x) dt
///
/// by Simpson's rule: exact for a Gaussian, and for no p at all where the network's score is the
/// gradient of none.  Each sample decides for itself.  2 steps_per_level + 1 NFE a level, and 1 for
/// the denoising at the end.
class AdjustedLangevinSampler final : public Sampler {
 public:
  /// @throws ConfigError as AnnealedLangevinSampler.
  explicit AdjustedLangevinSampler(const LangevinOptions& options);

 private:
  torch::Tensor run(Denoiser&, torch::Tensor x, const std::vector<double>& sigmas,
                    NoiseSource&) const override;

  LangevinOptions options_;
};

}  // namespace halcyon
