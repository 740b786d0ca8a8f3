#pragma once

#include "samplers/options.h"
#include "samplers/sampler.h"

namespace halcyon {

// Solvers of the probability-flow ODE  dx/dsigma = (x - D(x; sigma)) / sigma
// (Karras et al. 2022, eq. 1 with sigma(t) = t).

/// eps_hat(x; sigma) = (x - D(x; sigma)) / sigma: the slope, and the estimate of the noise.
torch::Tensor probability_flow_slope(Denoiser& denoiser, const torch::Tensor& x, double sigma);

/// Forward Euler.  1st order, 1 NFE per step; in these coordinates the update of DDIM with
/// eta = 0 (Song, Meng and Ermon 2021, eq. 12).
class EulerSampler final : public Sampler {
  torch::Tensor run(Denoiser&, torch::Tensor x, const std::vector<double>& sigmas,
                    NoiseSource&) const override;
};

/// Heun's method.  2nd order; 2 NFE per step, but 1 for a step to sigma = 0, where the slope is
/// undefined.  With churn, noise is added before each step between s_min and s_max:
/// Karras et al. 2022, Algorithm 2.
class HeunSampler final : public Sampler {
 public:
  /// Without churn: deterministic.
  HeunSampler() = default;
  /// @throws ConfigError unless s_churn >= 0 and s_noise > 0.
  explicit HeunSampler(const ChurnOptions& churn);

 private:
  torch::Tensor run(Denoiser&, torch::Tensor x, const std::vector<double>& sigmas,
                    NoiseSource&) const override;

  ChurnOptions churn_{.s_churn = 0};
};

/// The slope at the middle of the step in ln sigma, sqrt(s u), reached by Euler: the DPM-Solver-2
/// of Lu et al. 2022.  2nd order; 2 NFE per step, but 1 for a step to sigma = 0, which is Euler's.
class MidpointSampler final : public Sampler {
  torch::Tensor run(Denoiser&, torch::Tensor x, const std::vector<double>& sigmas,
                    NoiseSource&) const override;
};

/// The classical Runge-Kutta method in sigma.  4th order; 4 NFE per step, but 1 for a step to
/// sigma = 0, which is Euler's.
class Rk4Sampler final : public Sampler {
  torch::Tensor run(Denoiser&, torch::Tensor x, const std::vector<double>& sigmas,
                    NoiseSource&) const override;
};

}  // namespace halcyon
