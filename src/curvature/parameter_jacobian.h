#pragma once

#include <torch/types.h>

#include "core/denoiser.h"
#include "curvature/parameter_space.h"
#include "curvature/regression.h"

namespace halcyon {

/// phi = D / tau of a batch and products with its Jacobian J = d phi / d theta, a row for each
/// number of each sample.  1 NFE; keeps the graph of it while it lives.
class ParameterJacobian {
 public:
  ParameterJacobian(Denoiser& denoiser, const ParameterSpace& space, const RegressionBatch& batch);

  /// phi, [B, ...], without a graph.
  torch::Tensor predictions() const { return phi_.detach(); }

  /// J^T u [P], summed over the samples; u shaped as phi.
  torch::Tensor vjp(const torch::Tensor& u) const;

  /// J v, shaped as phi, for v [P]: J^T u is linear in u, and its derivative along v is J v
  /// (Pearlmutter 1994; Schraudolph 2002).  The first call keeps the graph of J^T u too.
  torch::Tensor jvp(const torch::Tensor& v) const;

  /// G v [P], with the generalised Gauss-Newton matrix of the batch, which for a Gaussian
  /// likelihood is the Fisher information matrix (Martens 2014) and is never formed:
  ///
  ///     G = E J^T J = E_{t ~ N(phi, I)} [g g^T],   g = J^T (phi - t)
  torch::Tensor fisher_product(const torch::Tensor& v) const;

 private:
  const ParameterSpace& space_;
  int64_t count_;  // B
  torch::Tensor phi_;
  mutable torch::Tensor dummy_;                    // u
  mutable std::vector<torch::Tensor> transposed_;  // J^T u, with a graph
};

}  // namespace halcyon
