#pragma once

#include "samplers/multistep.h"
#include "samplers/sampler.h"

namespace halcyon {

// Adams-Bashforth methods on  dx/dsigma = eps_hat(x; sigma) = (x - D) / sigma:  from s to u,
//
//     x_u = x_s + (u - s) sum_j w_j eps_hat_j
//
// over the last four levels, fewer at the start.  They take the step to sigma = 0 as any other:
// it asks for no slope there.  1 NFE a step.

/// LMS: w_j integrates the polynomial in sigma through the eps_hat_j exactly, whatever the grid:
/// the rhoAB form of DEIS (Zhang and Chen 2023).  4th order.
class LmsSampler final : public Sampler {
  torch::Tensor run(Denoiser&, torch::Tensor x, const std::vector<double>& sigmas,
                    NoiseSource&) const override;
};

/// How a method of fixed weights takes its first steps: one by Euler or Heun, or three by the
/// classical Runge-Kutta method.
enum class MultistepStart { euler, heun, runge_kutta };

/// The weights of evenly spaced levels, (55, -59, 37, -9) / 24, whatever the grid.  On levels that
/// are even in sigma the order is 4; on a graded grid, where the ratio of neighbouring steps is
/// 1 + O(h), the weights miss the slope's first derivative by O(h) of it, and the order is 2.
///
/// With Euler's start iPNDM (Zhang and Chen 2023); with Heun's, which costs one more evaluation,
/// the pseudo linear multistep method PLMS of Liu et al. 2022 as it is mostly used; with that of
/// Runge and Kutta, nine more, their PNDM (F-PNDM; Algorithm 2).  Their transfer is Euler's step
/// in sigma, so that their pseudo Runge-Kutta method is the classical one, but for its middle: they
/// take it halfway in t, which a grid of noise levels does not know, and here it is halfway in
/// sigma.
class FixedMultistepSampler final : public Sampler {
 public:
  explicit FixedMultistepSampler(MultistepStart start) : start_(start) {}

 private:
  torch::Tensor run(Denoiser&, torch::Tensor x, const std::vector<double>& sigmas,
                    NoiseSource&) const override;

  MultistepStart start_;
};

}  // namespace halcyon
