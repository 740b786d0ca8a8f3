#pragma once

#include "samplers/options.h"
#include "samplers/sampler.h"

namespace halcyon {

/// Annealed underdamped Langevin dynamics: x moves with a velocity v, which the score pushes and
/// friction and noise bring to N(0, I).  At every level, in lengths of sigma,
///
///     dx = v dt,   dv = sigma s(x; sigma) dt - friction v dt + sqrt(2 friction) dw
///
/// in `steps_per_level` steps of half a push, half a move, friction and noise, half a move, half a
/// push (BAOAB: Leimkuhler and Matthews 2013), whose x has no error on Gaussian data once settled.
/// Ends as AnnealedLangevinSampler does.  steps_per_level + 1 NFE a level, and 1 for the denoising.
class KineticLangevinSampler final : public Sampler {
 public:
  /// @throws ConfigError unless 0 < step < 2, where it is stable, friction > 0 and
  /// steps_per_level >= 1.
  explicit KineticLangevinSampler(const KineticOptions& options);

 private:
  torch::Tensor run(Denoiser&, torch::Tensor x, const std::vector<double>& sigmas,
                    NoiseSource&) const override;

  KineticOptions options_;
};

}  // namespace halcyon
