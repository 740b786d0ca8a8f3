#pragma once

#include <torch/types.h>

#include <cstdint>

#include "core/gaussian_mixture.h"
#include "samplers/sampler.h"

namespace halcyon {

// Whether a sampler does what it says: its error where the answer is known.

/// Data whose probability-flow ODE is solved: it carries x at sigma_max to y at sigma_min.
struct KnownFlow {
  GaussianMixture law;
  double sigma_max, sigma_min;
  torch::Tensor x, y;  ///< [N, d] float64
};

/// N(1, 0.25 I) in 3 dimensions, whose flow keeps x in units of its standard deviation.
KnownFlow gaussian_flow();

/// Bumps at -1 and 1 of variance 0.25, in 3 dimensions; their flow is by steps of tolerance 1e-12.
KnownFlow mixture_flow();

struct FlowError {
  double error;  ///< root mean square, in x, at the end of the flow
  double nfe;    ///< network evaluations
};

/// The error of `steps` steps on the Karras grid of rho = 7.
FlowError flow_error(const Sampler& sampler, KnownFlow& flow, int64_t steps);

/// The power of the step size that the error falls with, log2 of error(512) / error(1024): an ODE
/// solver of order k comes to k within 0.15 or so.  512 steps are enough for the start of a
/// multistep method, which is of lower order, not to be seen: the noise hides the data there.
double convergence_order(const Sampler& sampler, KnownFlow& flow);

}  // namespace halcyon
