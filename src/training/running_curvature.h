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
/// last decompose().  EKFAC's eigenvalues begin at K-FAC's with each.
class RunningCurvature {
 public:
  RunningCurvature(CurvatureKind kind, ParameterSpace space);

  /// One more batch; the means keep so much of what was there.  With `every` target the factors of
  /// the layers are those of all outputs in turn, and no estimate.
  void add(const TappedBatch& batch, FisherTargets targets, double kept, at::Generator& rng);
  void decompose();

  /// Since the first decompose().
  const std::optional<Curvature>& curvature() const { return curvature_; }

  /// All of it by name; empty before the first batch.
  TensorMap tensors() const;
  /// The inverse.  @throws CheckpointError naming a tensor that does not fit; nothing has changed
  /// then.
  void load(const TensorMap& tensors);

 private:
  void add_gradients(const TappedBatch& batch, const TappedBatch::Backward& backward,
                     double samples, double kept);
  void lay_out(const TensorMap& tensors);
  void refresh();

  CurvatureKind kind_;
  ParameterSpace space_;
  std::vector<CurvatureBlock> blocks_;  // the layers', then one for each other tensor
  size_t layers_ = 0;
  bool decomposed_ = false;
  KroneckerFactors factors_;
  EigenMoments moments_;
  std::optional<Curvature> curvature_;
};

}  // namespace halcyon
