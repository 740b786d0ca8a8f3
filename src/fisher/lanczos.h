#pragma once

#include <torch/types.h>

#include <functional>

namespace halcyon {

/// v -> M v on flat float64 vectors [d].
using MatrixProduct = std::function<torch::Tensor(const torch::Tensor&)>;

/// Approximate eigenpairs of a symmetric operator, from the largest to the smallest.  An eigenvalue
/// lies within residuals[i] of values[i]; the last value is at least the smallest eigenvalue.
struct RitzPairs {
  torch::Tensor values;     ///< [m], decreasing
  torch::Tensor vectors;    ///< [m, d], orthonormal rows
  torch::Tensor residuals;  ///< [m]: |M u_i - values_i u_i|
};

/// Lanczos with full re-orthogonalisation: the Ritz pairs of M in the Krylov space of `start` [d].
/// All m = min(steps, d) are returned; the ends of the spectrum converge first.  Where the space is
/// exhausted early it goes on from a direction drawn from `rng`, so that m = d gives the whole
/// spectrum, multiple eigenvalues included; with fewer steps a multiple eigenvalue may show once.
///
/// The projection is of the symmetric part: where M is not quite symmetric, the values are those
/// of (M + M^T) / 2 in the space, and the residuals, of M itself, tell.  m products with M.
RitzPairs lanczos(const MatrixProduct& multiply, const torch::Tensor& start, int64_t steps,
                  at::Generator& rng);

}  // namespace halcyon
