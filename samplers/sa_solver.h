#pragma once

#include "samplers/options.h"
#include "samplers/sampler.h"

namespace halcyon {

/// SA-Solver (Xue et al. 2023): stochastic Adams steps, predicted and corrected.  With
/// lambda = -ln sigma and a = 1 + tau^2, the reverse SDE of strength tau goes from s to u by
///
///     x' = exp(-a h) x + int_0^h a exp(-a (h - v)) D(lambda_s + v) dv + u sqrt(1 - exp(-2 tau^2
///     h)) n
///
/// where a polynomial through known D stands for D(lambda): past ones to predict x', and that of
/// the prediction too to correct it, with the same n.  tau = 0 is the probability-flow ODE.
/// Lower orders for the first steps; the step to u = 0 is x' = D.  1 NFE a step: the corrected x'
/// goes on with the D of the predicted one.
class SaSolverSampler final : public Sampler {
 public:
  /// @throws ConfigError unless tau >= 0, predictor in 1 .. 4 and corrector in 0 .. 4.
  explicit SaSolverSampler(const SaSolverOptions& options);

 private:
  torch::Tensor run(Denoiser&, torch::Tensor x, const std::vector<double>& sigmas,
                    NoiseSource&) const override;

  SaSolverOptions options_;
};

}  // namespace halcyon
