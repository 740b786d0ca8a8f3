#pragma once

#include "samplers/options.h"
#include "samplers/sampler.h"

namespace halcyon {

/// @throws ConfigError unless steps_per_level >= 1 and 0 < step < 4, where it is stable.
void check_options(const LangevinOptions& options);

/// Annealed Langevin dynamics (Song and Ermon 2019, Algorithm 1).  At every level sigma of the
/// grid, `steps_per_level` times
///
///     x <- x + (alpha / 2) s(x; sigma) + sqrt(alpha) n,   alpha = step sigma^2
///
/// and, where the grid ends at 0, at last x <- D(x; sigma_min): the denoising step of
/// Jolicoeur-Martineau et al. 2020.  steps_per_level NFE a level, and 1 for the denoising.
class AnnealedLangevinSampler final : public Sampler {
 public:
  /// @throws ConfigError as check_options().
  explicit AnnealedLangevinSampler(const LangevinOptions& options);

 private:
  torch::Tensor run(Denoiser&, torch::Tensor x, const std::vector<double>& sigmas,
                    NoiseSource&) const override;

  LangevinOptions options_;
};

}  // namespace halcyon
