#pragma once

#include <torch/types.h>

#include <utility>

#include "core/denoiser.h"

namespace halcyon {

/// Data whose score is known: K Gaussians of one covariance, in d dimensions,
///
///     p(x_0) = sum_k w_k N(x_0; mu_k, U diag(lambda) U^T)
///
/// With lambda = 0 it is a set of points, with K = 1 a Gaussian.  Everything is exact at every
/// noise level: it is the ideal denoiser that toys, tests and diagnostics are held against.
class GaussianMixture final : public Denoiser {
 public:
  /// weights: [K], summing to 1; means: [K, d]; variances: [d], >= 0; basis: [d, d] orthonormal,
  /// columns the principal axes, or undefined for the coordinate axes.
  GaussianMixture(const torch::Tensor& weights, const torch::Tensor& means,
                  const torch::Tensor& variances, const torch::Tensor& basis = {});

  /// [count, d] float64 draws of x_0.
  torch::Tensor sample(int64_t count, at::Generator& rng) const;

  /// E[x_0 | x]: x [B, ...] of d numbers each.  Differentiable in x.
  torch::Tensor denoise(const torch::Tensor& x, const torch::Tensor& sigma) override;

  /// ln p(x; sigma) in nats, [B] float64; x [B, ...], sigma [B], > 0.
  torch::Tensor log_density(const torch::Tensor& x, const torch::Tensor& sigma) const;

  /// Location Fisher information of the noised data, J = E |grad log p(x; sigma)|^2, in 1 / x^2:
  ///
  ///     K = 1:  sum_i 1 / (lambda_i + sigma^2)
  ///     K = 2:  less |A^-1 m|^2 mmse_1(m^T A^-1 m),  A = Cov + sigma^2 I,  2 m = mu_1 - mu_2
  ///
  /// where mmse_1 is that of a fair sign in Gaussian noise (Guo, Shamai and Verdu 2005), by
  /// quadrature.  Wants K = 1, or K = 2 with equal weights.
  double fisher_information(double sigma) const;

  /// The share of each dimension in J, diag E[s s^T]: [d] float64, in 1 / x^2.  Wants what
  /// fisher_information does.
  torch::Tensor fisher_map(double sigma) const;

  /// E |x_0 - D(x; sigma)|^2 = d sigma^2 - sigma^4 J, in x^2, summed over the d dimensions.
  double mmse(double sigma) const;

  /// Differential entropy of the noised data, in nats: 1/2 sum_i ln 2 pi e (lambda_i + sigma^2) and
  /// what x tells of its component.  Wants what fisher_information does; sigma >= 0.
  double entropy(double sigma) const;

  /// Mutual information of x and the component that it is drawn from, in nats: at most ln K.
  double component_information(double sigma) const;

  int64_t dim() const { return variances_.size(0); }
  int64_t components() const { return weights_.size(0); }
  /// Of the components, in the basis: [d].
  const torch::Tensor& variances() const { return variances_; }
  /// In coordinates: [K, d].
  torch::Tensor means() const;

 private:
  /// x [B, ...] as [B, d] float64 in the basis.
  torch::Tensor to_basis(const torch::Tensor& x) const;
  /// [B, K]: ln w_k N(x; mu_k, Cov + sigma^2 I); x: [B, d] in the basis, sigma: [B].
  torch::Tensor log_joint(const torch::Tensor& x, const torch::Tensor& sigma) const;
  double trace_precision(double sigma) const;
  /// A^-1 m, [d] in the basis, and m^T A^-1 m, of two components.
  std::pair<torch::Tensor, double> whitened_half_distance(double sigma) const;

  torch::Tensor weights_, means_, variances_, basis_;  // float64; means_ in the basis
};

/// The Gaussian with the mean and covariance of the samples x0 [N, ...]: its denoiser is the linear
/// least-squares (Wiener) one, its mmse bounds that of the data from above and its Fisher
/// information that of the data from below (Cramer-Rao), at every noise level.
GaussianMixture fit_gaussian(const torch::Tensor& x0);

/// mmse of a fair sign X in {-1, 1} seen through sqrt(snr) X + n, n ~ N(0, 1):
/// exp(-snr / 2) E sech(sqrt(snr) n), which does not cancel.  (1 at snr = 0.)
double sign_mmse(double snr);

/// What that observation tells of the sign, snr - E ln cosh(snr + sqrt(snr) n), in nats: from 0 at
/// snr = 0 to ln 2.  Its derivative is sign_mmse(snr) / 2 (Guo, Shamai and Verdu 2005).
double sign_information(double snr);

}  // namespace halcyon
