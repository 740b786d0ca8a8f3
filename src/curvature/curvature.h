#pragma once

#include <torch/types.h>

#include <functional>
#include <string>
#include <vector>

#include "curvature/parameter_space.h"

namespace halcyon {

/// A block of a Fisher matrix by its eigenvectors, F = Q diag(lambda) Q^T, on parameters seen as a
/// matrix V [m, n], with Q = L (x) R:
///
///     F V = L (lambda o (L^T V R)) R^T
///
/// Every form is such a one: diagonal (L and R the identity), whole (R the identity, n = 1), K-FAC
/// (lambda the outer product of the factors' eigenvalues) and EKFAC (lambda measured).
struct CurvatureBlock {
  std::string name;
  std::vector<int64_t> tensors;  ///< of the space, each seen as [rows, -1], side by side
  int64_t rows;
  torch::Tensor left;         ///< L [m, m]; undefined: the identity
  torch::Tensor right;        ///< R [n, n]; undefined: the identity
  torch::Tensor eigenvalues;  ///< lambda [m, n], >= 0

  /// Whether L goes over all its numbers at once.
  bool is_whole() const { return left.defined() && !right.defined(); }
  /// L^T V R and L V R^T.
  torch::Tensor to_eigenbasis(const torch::Tensor& v) const;
  torch::Tensor from_eigenbasis(const torch::Tensor& w) const;
  /// F's diagonal, shaped as lambda.
  torch::Tensor diagonal() const;
  /// v_r^T F v_r of each row r of V alone, [rows], V shaped as lambda.
  torch::Tensor row_forms(const torch::Tensor& v) const;
};

/// An approximation of the Fisher information matrix F [P, P] by blocks that cover every parameter
/// once; all products take and give vectors [P].  Cheap: nothing larger than a block is formed.
class Curvature {
 public:
  Curvature(const ParameterSpace& space, std::vector<CurvatureBlock> blocks);

  torch::Tensor matvec(const torch::Tensor& v) const;
  /// v^T F v.
  double quadratic(const torch::Tensor& v) const;
  /// (F + ridge I)^-1 v; ridge > 0.
  torch::Tensor solve(const torch::Tensor& v, double ridge) const;
  /// F^1/2 v.
  torch::Tensor sqrt_matvec(const torch::Tensor& v) const;
  /// (F + ridge I)^-1/2 v; ridge > 0: of v ~ N(0, I) a draw from N(0, (F + ridge I)^-1).
  torch::Tensor inverse_sqrt_matvec(const torch::Tensor& v, double ridge) const;
  /// The diagonal, [P].
  torch::Tensor diagonal() const;
  double trace() const;
  /// ln det(F + ridge I); ridge > 0.
  double logdet(double ridge) const;
  /// An eigenvector of the largest eigenvalue, of norm 1.
  torch::Tensor leading_direction() const;
  /// Whether no block has eigenvectors.
  bool is_diagonal() const;
  /// Whether the block is an affine layer's: a row of weights, and a bias if any, an output.
  bool is_layer(const CurvatureBlock& block) const;
  /// The same numbers in another type.
  Curvature to(at::ScalarType type) const;

  /// The numbers of a block in v [P], shaped as its eigenvalues, and back.
  torch::Tensor gather(const torch::Tensor& v, const CurvatureBlock& block) const;
  void scatter(const torch::Tensor& numbers, const CurvatureBlock& block, torch::Tensor& v) const;

  const ParameterSpace& space() const { return space_; }
  const std::vector<CurvatureBlock>& blocks() const { return blocks_; }

 private:
  using Spectral = std::function<torch::Tensor(const torch::Tensor& eigenvalues)>;

  /// f(F) v.
  torch::Tensor apply(const torch::Tensor& v, const Spectral& f) const;

  ParameterSpace space_;
  std::vector<CurvatureBlock> blocks_;
};

}  // namespace halcyon
