#pragma once

#include <torch/types.h>

#include "core/denoiser.h"

namespace halcyon {

/// Uniform draws of {-1, 1}, shaped, typed and placed as `like`: the probes of Hutchinson's
/// estimators, whose variance is the least among independent entries (Hutchinson 1990).
torch::Tensor rademacher_like(const torch::Tensor& like, at::Generator& rng);

/// D(x; sigma) of a batch and products with its Jacobian A = grad_x D, [d, d] for each sample.
/// The score's Jacobian follows as grad s = (A - I) / sigma^2; for a true denoiser
/// A = Cov[x_0 | x] / sigma^2, symmetric and positive semi-definite.  Samples must not see each
/// other.  x: [B, ...]; sigma: [B].  1 NFE; keeps the graph of it while it lives.
class DenoiserJacobian {
 public:
  DenoiserJacobian(Denoiser& denoiser, const torch::Tensor& x, const torch::Tensor& sigma);

  /// D(x; sigma), without a graph.
  torch::Tensor denoised() const { return denoised_.detach(); }

  /// A^T v for each sample, by reverse mode; v shaped as x.  About 1 forward.
  torch::Tensor vjp(const torch::Tensor& v) const;

  /// A v for each sample: A^T u is linear in u, and its derivative in u along v is A v.  The first
  /// call keeps the graph of A^T u, of about the size of D's own.  About 2 to 3 forwards.
  torch::Tensor jvp(const torch::Tensor& v) const;

  /// tr A of each sample, [B] float64, by d vector-Jacobian products: for small d.
  torch::Tensor exact_trace() const;

 private:
  torch::Tensor input_;
  torch::Tensor denoised_;
  mutable torch::Tensor dummy_;       // u
  mutable torch::Tensor transposed_;  // A^T u, with a graph
};

/// A v for each sample by forward mode, which keeps no graph: for one product at a place, 2 to 4
/// forwards.  Where an operation of the denoiser has no forward derivative (custom functions,
/// depending on LibTorch's version) it falls back to DenoiserJacobian::jvp().
torch::Tensor denoiser_jvp(Denoiser& denoiser, const torch::Tensor& x, const torch::Tensor& sigma,
                           const torch::Tensor& v);

}  // namespace halcyon
