#pragma once

#include "samplers/multistep.h"
#include "samplers/sampler.h"

namespace halcyon {

// DPM-Solver++ (Lu et al. 2022): the probability-flow ODE solved for its linear part, exactly,
// with lambda = -ln sigma and h = ln(s / u), from the noise level s to u:
//
//     x_u = (u / s) x_s + u int e^lambda D(lambda) dlambda
//
// and D = E[x_0 | x] taken as a polynomial in lambda.  If it is constant that is DDIM,
// x_u = (u / s) x_s + (1 - u / s) D, which every method here takes to sigma = 0: there x = D.

/// One step of 2S from s to u by way of s > middle > u > 0, with r = ln(s / middle) / h:
///
///     x_u = (u / s) x + (1 - u / s) [(1 - 1 / (2 r)) D_s + 1 / (2 r) D_middle]
///
/// where x at `middle` is that of DDIM.  2 NFE.
torch::Tensor dpmpp_2s_step(Denoiser& denoiser, const torch::Tensor& x, double s, double middle,
                            double u);

/// Step i by the D of the last `order` levels, newest first: DDIM; 2M,
///
///     x_u = (u / s) x + (1 - u / s) [D_0 + (D_0 - D_1) / (2 r)],   r = ln(sigma_(i-1) / s) / h;
///
/// and above, the polynomial through all of them integrated exactly.
torch::Tensor dpmpp_multistep(const torch::Tensor& x, const EstimateHistory& denoised,
                              const std::vector<double>& sigmas, size_t i, int64_t order);

/// DPM-Solver++(2S): dpmpp_2s_step at every level, middle = sqrt(s u).  2nd order, 2 NFE a step; 1
/// for the step to 0.
class DpmppSingleStepSampler final : public Sampler {
  torch::Tensor run(Denoiser&, torch::Tensor x, const std::vector<double>& sigmas,
                    NoiseSource&) const override;
};

/// DPM-Solver++(2M) and 3M, 1 NFE a step.  The order grows from 1 at the start, and falls to 1 at
/// sigma = 0 (order_of_step).
class DpmppMultistepSampler final : public Sampler {
 public:
  /// order: 1 (DDIM), 2 or 3.
  explicit DpmppMultistepSampler(int64_t order) : order_(order) {}

 private:
  torch::Tensor run(Denoiser&, torch::Tensor x, const std::vector<double>& sigmas,
                    NoiseSource&) const override;

  int64_t order_;
};

}  // namespace halcyon
