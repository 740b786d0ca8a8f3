#pragma once

#include <torch/types.h>

#include "core/denoiser.h"
#include "fisher/sample_moments.h"

namespace halcyon {

struct SpectrumOptions {
  int64_t top = 16;         ///< eigenpairs to report
  int64_t steps = 48;       ///< of Lanczos, each a vector-Jacobian product an image
  int64_t batch = 64;       ///< images evaluated at once
  bool keep_graphs = true;  ///< false: little memory, and twice the time
};

/// The leading eigenpairs of the mean Jacobian of a denoiser over N noisy images,
///
///     M = mean_i A_i,   A_i = grad D(x_i; sigma)
///
/// For a true denoiser and many images M = I - sigma^2 F with F = E[s s^T] is the covariance of the
/// denoising error in units of sigma^2, its eigenvalues in [0, 1), and for Gaussian data of
/// variance lambda they are lambda / (lambda + sigma^2).  For N = 1 it is the posterior covariance
/// Cov[x_0 | x] / sigma^2 and its eigenvectors are the posterior's principal components (Manor and
/// Michaeli 2024).  From products with A, not from N samples of s: sampling inflates no rank.
struct DenoiserSpectrum {
  double sigma = 0;
  int64_t images = 0;
  torch::Tensor eigenvalues;        ///< [k], decreasing
  torch::Tensor eigenvalue_errors;  ///< [k]: standard errors over images; NaN for one image
  torch::Tensor ritz_residuals;     ///< [k]: |M u - eigenvalue u|
  torch::Tensor eigen_images;       ///< [k, ...]: u, of norm 1, the largest entry positive
  double smallest = 0;              ///< Ritz value: below 0 where M is not positive
  Estimate trace;                   ///< tr M = mmse / sigma^2 = d - sigma^2 J for a true denoiser
  /// exp(-sum p ln p), p the eigenvalues of F over their sum (Roy and Vetterli 2007).  What the
  /// trace leaves beyond the Ritz values counts as flat: an upper bound, close where it is small.
  double score_effective_rank = 0;
};

/// The spectrum at the noisy images x [N, ...].  N (1 + steps) vector-Jacobian products.  The
/// errors are those of u^T A_i u over images with u held fixed: without the error of u itself.
DenoiserSpectrum denoiser_spectrum(Denoiser& denoiser, const torch::Tensor& x, double sigma,
                                   const SpectrumOptions& options, at::Generator& rng);

/// exp of the entropy of eigenvalues / sum; those below 0 count as 0.
double effective_rank(const torch::Tensor& eigenvalues);

}  // namespace halcyon
