#pragma once

#include "samplers/sampler.h"

namespace halcyon {

/// DDPM's ancestral sampling (Ho et al. 2020, Algorithm 2 with sigma_t^2 = the posterior variance,
/// eq. 7).  For x at noise level s and the next level u < s, the posterior of the noising chain
/// given x_0 = D(x; s) is drawn:
///
///     x' = D + (u / s)^2 (x - D) + u sqrt(1 - (u / s)^2) n
///
/// the same law in these coordinates for VP and VE processes.  1 NFE per step.
class DdpmSampler final : public Sampler {
  torch::Tensor run(Denoiser&, torch::Tensor x, const std::vector<double>& sigmas,
                    NoiseSource&) const override;
};

}  // namespace halcyon
