#pragma once

#include <torch/types.h>

#include "core/denoiser.h"

namespace halcyon {

struct DenoisedTrace {
  torch::Tensor denoised;  ///< D(x; sigma), shaped as x
  torch::Tensor trace;     ///< [B] unbiased estimate of tr grad_x D; undefined without probes
};

/// D and the trace of its Jacobian by Hutchinson's estimator v^T (grad D) v with Rademacher v, one
/// vector-Jacobian product a probe (Hutchinson 1990).  The observed Fisher information follows:
///
///     -tr grad s = (d - tr grad D) / sigma^2
///
/// On D rather than s the noise of the estimate fades with grad D.  Exact for a diagonal Jacobian.
/// x: [B, ...]; sigma: [B]; samples must not see each other.  1 NFE + `probes` VJPs.
DenoisedTrace denoise_with_trace(Denoiser& denoiser, const torch::Tensor& x,
                                 const torch::Tensor& sigma, int64_t probes, at::Generator& rng);

}  // namespace halcyon
