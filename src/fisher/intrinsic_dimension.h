#pragma once

#include <torch/types.h>

#include "core/denoiser.h"

namespace halcyon {

// How many dimensions the data has where noise of level sigma still shows them: a curve over sigma,
// not a number.  For data on a manifold of dimension r all three tend to r as sigma -> 0; a network
// is only as good a witness as its score at small sigma.

/// |x_0 - D(x_0 + sigma n)|^2 / sigma^2 of each sample, [B] float64: its mean is
/// mmse / sigma^2 = d - sigma^2 J, the MMSE dimension (Wu and Verdu 2011).  1 NFE.
torch::Tensor mmse_dimension(Denoiser& denoiser, const torch::Tensor& x0,
                             const torch::Tensor& noise, double sigma);

/// FLIPD (Kamkari et al. 2024): the rate at which the density at the clean x_0 [B, ...] falls as
/// noise spreads it, for each sample, [B] float64:
///
///     d + sigma^2 (tr grad s + |s|^2)  =  tr A + |D - x_0|^2 / sigma^2,   A = grad D, at x_0
///
/// with `probes` Rademacher probes for the trace, or d products if probes = 0.
torch::Tensor flipd(Denoiser& denoiser, const torch::Tensor& x0, double sigma, int64_t probes,
                    at::Generator& rng);

struct NormalBundle {
  int64_t dimension = 0;          ///< d less the rank above the largest gap
  torch::Tensor singular_values;  ///< [d], decreasing, float64
};

/// Scores at x_0 + sigma n point back to the manifold: they span its normal space at x_0 [1, ...],
/// and the largest gap in the singular values of `draws` of them is where its rank ends
/// (Stanczuk et al. 2024).  Wants draws >= d; 4 d blur the gap less.  `draws` NFE, in batches.
NormalBundle normal_bundle(Denoiser& denoiser, const torch::Tensor& x0, double sigma, int64_t draws,
                           int64_t batch, at::Generator& rng);

}  // namespace halcyon
