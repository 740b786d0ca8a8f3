#pragma once

#include <torch/types.h>

#include "core/denoiser.h"
#include "core/gaussian_mixture.h"
#include "fisher/likelihood_options.h"

namespace halcyon {

struct OdeLikelihood {
  torch::Tensor log_likelihood;  ///< ln p(x; sigma_min) in nats: [B] float64
  int64_t nfe = 0;               ///< network evaluations an image, each with its VJPs
};

/// ln p(x; sigma_min) under the probability-flow ODE of a denoiser, by the instantaneous change of
/// variables (Chen et al. 2018; Song et al. 2021), up from sigma_min to sigma_max:
///
///     dx / d ln sigma = -sigma^2 s = x - D(x; sigma)
///     ln p(x; sigma_min) = ln terminal(x(sigma_max); sigma_max)
///                          - integral of [tr grad D - d] d ln sigma
///
/// The trace is Hutchinson's, with one Rademacher probe for a whole trajectory (Skilling 1989), or
/// exact by d VJPs.  It is the density that the model gives to data with noise sigma_min, at the
/// point x itself: no noise is added to x.  Neither a bound nor comparable to one.
///
/// x: [B, ...] in model units.  terminal: law of the data; with noise sigma_max it stands for the
/// model's.  State in float64, network in the type of x.  @throws ConfigError for options out of
/// range; NonFiniteError if dopri5 finds no step.
OdeLikelihood ode_likelihood(Denoiser& denoiser, const torch::Tensor& x,
                             const GaussianMixture& terminal, double sigma_min, double sigma_max,
                             const OdeOptions& options, at::Generator& rng);

}  // namespace halcyon
