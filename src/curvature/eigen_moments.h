#pragma once

#include <torch/types.h>

#include <vector>

#include "curvature/curvature.h"
#include "curvature/kronecker_factors.h"
#include "curvature/tapped_batch.h"

namespace halcyon {

/// The second moments of gradients in the eigenvectors of given blocks,
///
///     lambda = E (L^T (dL/dW) R)^2,
///
/// the diagonal of the Fisher matrix in that basis, so that its trace is the Fisher matrix's own
/// and no other eigenvalues come closer to it in Frobenius norm (EKFAC: George et al. 2018).
/// Without eigenvectors it is the diagonal.
class EigenMoments {
 public:
  explicit EigenMoments(size_t blocks) : moments_(blocks) {}

  /// Of the layers' blocks, which come first, sample by sample; not of whole ones.
  void add_layers(const TappedBatch& batch, const TappedBatch::Backward& backward,
                  const std::vector<CurvatureBlock>& blocks, double samples, double kept = 1);
  /// Of the other blocks, a tensor each, by the square of the summed gradient: the targets of the
  /// samples are independent and of mean 0.
  void add_others(const TappedBatch& batch, const TappedBatch::Backward& backward, double samples,
                  double kept = 1);

  /// What was measured, into the blocks' eigenvalues; blocks without a measure stay.
  void set(std::vector<CurvatureBlock>& blocks) const;

  std::vector<RunningMean>& moments() { return moments_; }
  const std::vector<RunningMean>& moments() const { return moments_; }

 private:
  std::vector<RunningMean> moments_;
};

}  // namespace halcyon
