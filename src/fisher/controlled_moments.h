#pragma once

#include <torch/types.h>

#include <array>
#include <functional>
#include <vector>

#include "fisher/sample_moments.h"

namespace halcyon {

/// Means of k variables x, freed of what c controls z of known mean 0 explain of them:
///
///     mean of x - beta^T z,   beta: [c, k]
///
/// for any beta that does not depend on the samples it is applied to.  Samples go in turn to two
/// folds, and each fold takes the beta of the other, so that every mean stays unbiased and every
/// standard error is of independent samples.
class ControlledMoments {
 public:
  /// beta [c, k] from the moments of the k variables, followed by the c controls, of other samples.
  using Coefficients = std::function<torch::Tensor(const SampleMoments& others)>;

  ControlledMoments(int64_t variables, int64_t controls, Coefficients coefficients);

  /// samples: [B, k]; controls: [B, c].
  void add(const torch::Tensor& samples, const torch::Tensor& controls);

  int64_t count() const { return folds_[0].count() + folds_[1].count(); }

  /// Mean of sum_i weights_i x_i.
  Estimate combination(const std::vector<double>& weights) const;

  /// Mean of sum_i above_i x_i over mean of sum_i below_i x_i, with the error of the linearised
  /// ratio.
  Estimate ratio(const std::vector<double>& above, const std::vector<double>& below) const;

  TensorMap state() const;
  /// @throws CheckpointError unless `state` is of as many variables.
  void load(const TensorMap& state);

 private:
  int64_t variables_;
  int64_t controls_;
  Coefficients coefficients_;
  std::array<SampleMoments, 2> folds_;
};

/// The beta of least variance: least squares of the k variables on the c controls.  0 from fewer
/// than 16 samples.
torch::Tensor regression_coefficients(const SampleMoments& moments, int64_t controls);

}  // namespace halcyon
