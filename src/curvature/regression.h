#pragma once

#include <torch/types.h>

#include "core/denoiser.h"

namespace halcyon {

/// Noisy images, and the clean ones that a denoiser of them is held against.  Denoising is
/// regression with a Gaussian likelihood (per sample, summed over its numbers),
///
///     p(x_0 | x) = N(D(x; sigma), tau^2 I),   -ln p = |D - x_0|^2 / (2 tau^2) + const
///
/// so that a squared error that counts w in a loss has tau^2 = 1 / (2 w).
struct RegressionBatch {
  torch::Tensor x0;     ///< [B, ...]
  torch::Tensor x;      ///< x_0 + sigma n
  torch::Tensor sigma;  ///< [B]
  torch::Tensor tau;    ///< [B]

  int64_t size() const { return x.size(0); }
};

/// D / tau [B, ...]: predictions in units of the likelihood's own spread, phi.
torch::Tensor whitened(Denoiser& denoiser, const RegressionBatch& batch);

/// x_0 / tau, what phi is held against.
torch::Tensor whitened_target(const RegressionBatch& batch);

/// The samples first .. first + count - 1.
RegressionBatch part(const RegressionBatch& batch, int64_t first, int64_t count);

}  // namespace halcyon
