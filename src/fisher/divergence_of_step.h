#pragma once

#include <torch/types.h>

#include <vector>

#include "core/denoiser.h"
#include "curvature/parameter_space.h"
#include "curvature/regression.h"
#include "fisher/sample_moments.h"

namespace halcyon {

/// How far a step h u of the parameters takes the model, in nats, against what its Fisher
/// information foretells:
///
///     KL(p_theta || p_theta+hu) = E |phi(theta + h u) - phi(theta)|^2 / 2  ->  h^2 u^T G u / 2
///
/// the first exact for Gaussians of one spread.
struct StepDivergence {
  std::vector<double> radii;       ///< h
  std::vector<Estimate> measured;  ///< nats, over samples
  std::vector<Estimate> foretold;  ///< of the same samples
  std::vector<Estimate> ratio;     ///< measured / foretold: 1 + O(h)
  Estimate slope;                  ///< of ln measured over ln h, by least squares; 2 as h -> 0
};

/// direction u [P]; radii > 0, at least 2.  A forward pass a radius and a Jacobian-vector product;
/// wants float64 where h is small.  The errors of the slope are a jackknife's, over samples.
StepDivergence step_divergence(Denoiser& denoiser, const ParameterSpace& space,
                               const RegressionBatch& batch, const torch::Tensor& direction,
                               const std::vector<double>& radii);

}  // namespace halcyon
