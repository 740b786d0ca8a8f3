#pragma once

#include "samplers/options.h"
#include "samplers/sampler.h"

namespace halcyon {

/// The reverse SDE  dx = -2 sigma s(x; sigma) dsigma + sqrt(2 sigma) dw  (Song et al. 2021) by
/// Euler and Maruyama in sigma^2: from s to the next level u,
///
///     x' = x + (s^2 - u^2) score(x; s) + sqrt(s^2 - u^2) n
///
/// The step to u = 0 is x' = D, without noise.  1 NFE a step.
class EulerMaruyamaSampler final : public Sampler {
  torch::Tensor run(Denoiser&, torch::Tensor x, const std::vector<double>& sigmas,
                    NoiseSource&) const override;
};

/// Predictor and corrector in turn (Song et al. 2021, Algorithm 2): a predicted step to each level,
/// of the reverse SDE, ancestral, or of the probability-flow ODE, and there `corrector_steps`
/// Langevin steps
///
///     x <- x + epsilon s + sqrt(2 epsilon) n,   epsilon = 2 (snr |n| / |s|)^2
///
/// with the norms of each sample by itself, so that it does not depend on its batch.  At the first
/// level they come before the first prediction.  The step to u = 0 is x' = D.
class PredictorCorrectorSampler final : public Sampler {
 public:
  /// @throws ConfigError unless snr > 0 and corrector_steps >= 0.
  explicit PredictorCorrectorSampler(const PredictorCorrectorOptions& options);

 private:
  torch::Tensor run(Denoiser&, torch::Tensor x, const std::vector<double>& sigmas,
                    NoiseSource&) const override;
  torch::Tensor corrected(Denoiser&, torch::Tensor x, double sigma, NoiseSource&) const;

  PredictorCorrectorOptions options_;
};

}  // namespace halcyon
