#pragma once

#include <torch/types.h>

#include <optional>
#include <vector>

#include "core/tensor_map.h"
#include "curvature/curvature_fit.h"
#include "curvature/eigen_moments.h"
#include "curvature/kronecker_factors.h"
#include "curvature/tapped_batch.h"

namespace halcyon {

/// The curvature of a network that goes on changing, K-FAC's or EKFAC's: factors and eigenvalues
/// are exponential means over batches, and the factors' eigenvectors, which are dear, those of the
/// last batch that was said to renew them.  EKFAC's eigenvalues are carried over to new
/// eigenvectors: U diag(lambda) U^T becomes the diagonal of U'^T U diag(lambda) U^T U'.
class RunningCurvature {
 public:
  struct Update {
    /// With `every` the factors of the layers are those of all outputs in turn, and no estimate.
    FisherTargets targets = FisherTargets::sampled;
    WeightSharing sharing = WeightSharing::expand;
    double kept = 0;       ///< what the means keep of what was there
    bool renewed = false;  ///< with the eigenvectors of the factors as they are then
  };

  RunningCurvature(CurvatureKind kind, ParameterSpace space);

  /// One more batch; the first one always has its own eigenvectors.
  void add(const TappedBatch& batch, const Update& update, at::Generator& rng);

  /// Since the first batch.
  const std::optional<Curvature>& curvature() const { return curvature_; }

  /// All of it by name; empty before the first batch.
  TensorMap tensors() const;
  /// The inverse.  @throws CheckpointError naming a tensor that does not fit; nothing has changed
  /// then.
  void load(const TensorMap& tensors);

 private:
  void decompose();
  void lay_out(const TensorMap& tensors);
  void refresh();

  CurvatureKind kind_;
  ParameterSpace space_;
  std::vector<CurvatureBlock> blocks_;  // the layers', then one for each other tensor
  size_t layers_ = 0;
  KroneckerFactors factors_;
  EigenMoments moments_;
  std::optional<Curvature> curvature_;
};

}  // namespace halcyon
