#pragma once

#include <torch/types.h>

#include <vector>

#include "fisher/lanczos.h"

namespace halcyon {

/// A symmetric matrix M seen from one vector b: V M V^T = T, tridiagonal, in the Krylov space of b,
/// whose first m vectors are the rows of V (Lanczos 1950, re-orthogonalised in full).
///
/// For vectors of any type and place, of which it keeps m + 1: for dimensions of many millions.
struct Tridiagonal {
  torch::Tensor diagonal;      ///< [m] float64
  torch::Tensor off_diagonal;  ///< [m] float64; the last one leads out of the space
  torch::Tensor basis;         ///< [m, d], orthonormal rows
};

/// min(steps, d) steps from `start` [d], fewer where the space is exhausted.  A product each.
Tridiagonal tridiagonalise(const MatrixProduct& multiply, const torch::Tensor& start,
                           int64_t steps);

/// The k largest Ritz values of T, or all, their vectors and residuals: as lanczos(), in basis's
/// type.
RitzPairs leading_pairs(const Tridiagonal& t, int64_t k);

/// Nodes and weights of the Gauss quadrature of the spectrum seen from b: b^T f(M) b / |b|^2 is
/// about sum_i weights_i f(nodes_i), exact for polynomials of degree 2 m - 1 (Golub and Welsch
/// 1969). With b of independent +-1 it is an unbiased estimate of tr f(M) / d: stochastic Lanczos
/// quadrature (Ubaru, Chen and Saad 2017).
struct SpectralQuadrature {
  std::vector<double> nodes;  ///< rising
  std::vector<double> weights;
};
SpectralQuadrature spectral_quadrature(const Tridiagonal& t);

}  // namespace halcyon
