#pragma once

#include <torch/types.h>

#include "core/denoiser.h"
#include "core/linear_operator.h"

namespace halcyon {

/// How much a residual weighs: an estimate of Cov[y | x]^-1 (y - A D), where
///
///     Cov[y | x] = A Cov[x_0 | x] A^T + S^2 I      for y = A x_0 + S n.
class ResidualWeight {
 public:
  virtual ~ResidualWeight() = default;
  /// residual: [B, ...] shaped as measurements; sigma: [B].  Returns the same shape.
  virtual torch::Tensor weigh(const torch::Tensor& residual, const torch::Tensor& sigma) const = 0;
};

/// Cov[x_0 | x] = r^2 I with r^2 = sigma^2 v / (sigma^2 + v): that of data N(mu, v I), and for v =
/// 1 the choice of Song et al. 2023 (PiGDM).
class IsotropicWeight final : public ResidualWeight {
 public:
  /// variance: v > 0, of the data; noise: S >= 0.
  IsotropicWeight(const LinearOperator& measure, double variance, double noise)
      : measure_(measure), variance_(variance), noise_(noise) {}
  torch::Tensor weigh(const torch::Tensor& residual, const torch::Tensor& sigma) const override;

 private:
  const LinearOperator& measure_;
  double variance_, noise_;
};

/// Cov[x_0 | x] = sigma^2 C (C + sigma^2 I)^-1: that of Gaussian data of covariance C.  One dense
/// Cholesky factorisation of the size of y for each noise level.
class GaussianWeight final : public ResidualWeight {
 public:
  /// covariance: [d, d].  With S = 0, S^2 is 1e-10 of the mean variance.
  GaussianWeight(const LinearOperator& measure, const torch::Tensor& covariance, double noise);
  /// Wants one noise level in a batch.
  torch::Tensor weigh(const torch::Tensor& residual, const torch::Tensor& sigma) const override;

 private:
  torch::Tensor variances_;  // eigenvalues of C, [d]
  torch::Tensor measured_;   // A times its eigenvectors, [m, d]
  double noise_variance_;
};

/// A residual of a length that is given, whatever its own (Chung et al. 2023, DPS, whose step is
/// zeta / |y - A D|):  zeta m / (E |y - A D|) per unit residual, with the expected length
///
///     (E |.|)^2 = sum_i (S^2 + r^2 s_i^2),    r as in IsotropicWeight.
///
/// With zeta = 1, equal singular values and a residual of that length it is IsotropicWeight.
class NormWeight final : public ResidualWeight {
 public:
  NormWeight(const LinearOperator& measure, double variance, double noise, double zeta)
      : measure_(measure), variance_(variance), noise_(noise), zeta_(zeta) {}
  torch::Tensor weigh(const torch::Tensor& residual, const torch::Tensor& sigma) const override;

 private:
  const LinearOperator& measure_;
  double variance_, noise_, zeta_;
};

/// An estimate of E[x_0 | x, y], where x = x_0 + sigma n and y = A x_0 + S n': a decorator, with
/// which every sampler draws from p(x_0 | y),
///
///     D_y = D + sigma^2 grad log p(y | x),
///     grad log p(y | x) = (dD/dx)^T A^T Cov[y | x]^-1 (y - A D).
///
/// Exact for Gaussian data with its own Cov[x_0 | x].  Each evaluation goes through the network and
/// back.  Batches are those of y: sample k of x belongs to row k.
class PosteriorDenoiser final : public Denoiser {
 public:
  /// y: [B, ...] measurements.
  PosteriorDenoiser(Denoiser& inner, const LinearOperator& measure, torch::Tensor y,
                    const ResidualWeight& weight)
      : inner_(inner), measure_(measure), y_(std::move(y)), weight_(weight) {}

  torch::Tensor denoise(const torch::Tensor& x, const torch::Tensor& sigma) override;

 private:
  Denoiser& inner_;
  const LinearOperator& measure_;
  torch::Tensor y_;
  const ResidualWeight& weight_;
};

}  // namespace halcyon
