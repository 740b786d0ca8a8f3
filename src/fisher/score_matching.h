#pragma once

#include <torch/types.h>

#include "core/denoiser.h"

namespace halcyon {

// Score matching without the noise that made x: per-sample values, [B] float64, of the score
// s = (D - x) / sigma^2.  All have the mean E [|s|^2 + 2 tr grad s] = FD - J, where FD is the
// Fisher divergence E|s - grad log p|^2 and J the information of the noised data.  For probes v
// with E[v v^T] = I, shaped as x, the sliced forms replace the trace by v^T grad s v; their spread
// falls from sliced to variance-reduced and from Gaussian to Rademacher probes.  x: [B, ...];
// sigma: [B].

/// |s|^2 + 2 tr grad s (Hyvarinen 2005), by d vector-Jacobian products: for small d.
torch::Tensor hyvarinen_loss(Denoiser& denoiser, const torch::Tensor& x,
                             const torch::Tensor& sigma);

/// (v . s)^2 + 2 v^T grad s v: SSM (Song et al. 2019).  1 NFE + 1 VJP.
torch::Tensor sliced_loss(Denoiser& denoiser, const torch::Tensor& x, const torch::Tensor& sigma,
                          const torch::Tensor& v);

/// |s|^2 + 2 v^T grad s v: SSM-VR (Song et al. 2019).  1 NFE + 1 VJP.
torch::Tensor sliced_loss_vr(Denoiser& denoiser, const torch::Tensor& x, const torch::Tensor& sigma,
                             const torch::Tensor& v);

}  // namespace halcyon
