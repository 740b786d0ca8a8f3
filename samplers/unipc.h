#pragma once

#include "samplers/sampler.h"

namespace halcyon {

/// UniPC of Zhao et al. 2023, for D, with B_2(h) = e^h - 1, which only the predictor of p = 2 and
/// the corrector of p = 1 depend on: else the weights follow from the polynomial.  UniP-p, the
/// predictor, is the step of DPM-Solver++ by the D of p levels (dpmpp_multistep); UniC-p, the
/// corrector, takes the same step again once D at its end is known, by the polynomial through that
/// D too: for p = 1
///
///     x_u = (u / s) x + (1 - u / s) (D_0 + D_u) / 2
///
/// D is not evaluated anew at the corrected x: 1 NFE a step, and order p + 1.  p grows from 1 at
/// the start and falls to 1 at sigma = 0 (order_of_step); the last step is not corrected.
class UniPcSampler final : public Sampler {
 public:
  /// p: 1, 2 or 3.
  explicit UniPcSampler(int64_t p) : p_(p) {}

 private:
  torch::Tensor run(Denoiser&, torch::Tensor x, const std::vector<double>& sigmas,
                    NoiseSource&) const override;

  int64_t p_;
};

}  // namespace halcyon
