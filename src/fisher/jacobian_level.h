#pragma once

#include <torch/types.h>

#include <vector>

#include "core/denoiser.h"
#include "fisher/sample_moments.h"

namespace halcyon {

/// Samples of about equal predicted error: what was predicted and what came of it, both in x^2.
struct ReliabilityBin {
  Estimate predicted;
  Estimate realised;
};

/// Whether the Jacobian A = grad D at one noise level is one that a true denoiser could have:
/// A = Cov[x_0 | x] / sigma^2, symmetric, and the error it predicts is the error that comes.
struct JacobianEstimates {
  double sigma = 0;
  /// |K|_F^2 / |A|_F^2 of the antisymmetric part K = (A - A^T) / 2, in [0, 1]: 0 for a gradient
  /// field.
  Estimate asymmetry;
  Estimate frobenius;  ///< E |A|_F^2
  Estimate trace;      ///< E tr A = d - sigma^2 J_obs
  /// Slope of the realised |x_0 - D|^2 on the predicted sigma^2 tr A: 1 for a true denoiser
  /// (second-order Tweedie: Meng et al. 2021).  NaN or of a large error where tr A hardly varies.
  Estimate tweedie_slope;
  std::vector<ReliabilityBin> reliability;  ///< from low to high prediction
};

/// Accumulates batches at one noise level: construct, add batches, read.  With independent
/// Rademacher probes v, a = A v and b = A^T v:
///
///     asymmetry  =  E|a - b|^2 / 2 E(|a|^2 + |b|^2),      |A|_F^2 = E(|a|^2 + |b|^2) / 2
///
/// The trace is known only up to probe noise, which would flatten a plain regression: the probes
/// are split in halves p and q, and the slope is Cov(realised, (p + q) / 2) / Cov(p, q), one half
/// the instrument of the other.  Bins are cut by p and their prediction is the mean of q.
class JacobianLevel {
 public:
  /// probes: even, >= 2; each is one vector-Jacobian product a sample.
  JacobianLevel(double sigma, int64_t probes);

  /// Adds x0 + sigma noise, both [B, ...].  1 NFE, `probes` VJPs and 1 JVP a sample.
  void add(Denoiser& denoiser, const torch::Tensor& x0, const torch::Tensor& noise,
           at::Generator& rng);

  /// At least 2 samples; `bins` of equally many samples (fewer bins if there are too few).
  JacobianEstimates estimates(int64_t bins) const;

  double sigma() const { return sigma_; }

  /// E [tr A + step (|A|_F^2 - tr A)]; see heat_flow_residual().
  Estimate trace_after(double step) const;

 private:
  double sigma_;
  int64_t probes_;
  SampleMoments moments_;
  std::vector<torch::Tensor> errors_;  // [B, 3]: first half, second half, realised
};

/// Slope of `realised` on what `first` and `second` measure with independent errors; all [n].
/// The standard error is that of the linearised ratio.
Estimate instrumented_slope(const torch::Tensor& first, const torch::Tensor& second,
                            const torch::Tensor& realised);

/// Smallest Ritz value of (A + A^T) / 2 over the samples x [B, ...], after `steps` of Lanczos on
/// all of them at once: an upper bound of the smallest eigenvalue, which is >= 0 for a true
/// denoiser.  1 NFE, `steps` VJPs and JVPs a sample.
double smallest_ritz_value(Denoiser& denoiser, const torch::Tensor& x, double sigma, int64_t steps,
                           at::Generator& rng);

}  // namespace halcyon
