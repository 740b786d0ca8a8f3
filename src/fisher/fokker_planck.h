#pragma once

#include <torch/types.h>

#include "core/denoiser.h"
#include "fisher/jacobian_level.h"

namespace halcyon {

// Noise spreads a density by the heat equation, and the scores of different noise levels are tied
// to each other by it.  A network trained level by level need not obey.

/// Residual of the score's Fokker-Planck equation (Lai et al. 2023) at each x [B, ...], shaped as
/// x:
///
///     ds/dsigma^2 - 1/2 grad (tr grad s + |s|^2)
///
/// 0 for a true score.  The trace is exact and takes d products with graphs, so small d and, for
/// its digits, float64; the derivative in sigma^2 is a central difference of fourth order over
/// steps of `relative_step` sigma^2.
torch::Tensor score_fokker_planck_residual(Denoiser& denoiser, const torch::Tensor& x, double sigma,
                                           double relative_step = 1e-3);

/// The same between two noise levels and in the mean.  dJ/dsigma^2 = -E|grad s|_F^2 (Villani 2000)
/// reads, in terms of the denoiser's Jacobian A,
///
///     d E tr A / d ln sigma  =  2 E(|A|_F^2 - tr A)
///
/// and this is E tr A at `high` less that at `low` less the integral, by the trapezoidal rule: 0
/// for a true denoiser up to that rule, of error (ln sigma_high / sigma_low)^3 times a second
/// derivative / 12.  The standard error takes the levels as independent.
Estimate heat_flow_residual(const JacobianLevel& low, const JacobianLevel& high);

}  // namespace halcyon
