#pragma once

#include "samplers/sampler.h"

namespace halcyon {

/// Multistep DPM-Solver++ on the reverse SDE, with past D in place of derivatives (Lu et al. 2022:
/// SDE-DPM-Solver++ of orders 1 and 2; the third goes on in the same way).  From s to u, with
/// lambda = -ln sigma, h = lambda_u - lambda_s and k = (1 + eta) h,
///
///     x' = exp(-k) x + (1 - exp(-k)) D + terms of D' and D'' + u sqrt(1 - exp(-2 eta h)) n
///
/// eta = 1 is the reverse SDE and eta = 0 the probability-flow ODE.  The orders are those without
/// noise.  Lower ones for the first steps; the step to u = 0 is x' = D.  1 NFE a step.
class DpmSolverSdeSampler final : public Sampler {
 public:
  /// order: 1, 2 or 3.  @throws ConfigError unless eta >= 0.
  DpmSolverSdeSampler(int order, double eta);

 private:
  torch::Tensor run(Denoiser&, torch::Tensor x, const std::vector<double>& sigmas,
                    NoiseSource&) const override;

  int order_;
  double eta_;
};

}  // namespace halcyon
