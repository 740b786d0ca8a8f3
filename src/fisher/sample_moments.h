#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "core/tensor_map.h"

namespace halcyon {

/// An estimated number: no number is reported without its error and count.
struct Estimate {
  double value = 0;
  double standard_error = 0;
  int64_t count = 0;
};

/// Running mean and covariance of k variables over samples, in float64 and merged batch by batch
/// (Chan, Golub and LeVeque 1983), so that linear combinations and ratios of means get honest
/// errors from correlated variables.
class SampleMoments {
 public:
  explicit SampleMoments(int64_t variables);

  /// samples: [B, k].
  void add(const torch::Tensor& samples);

  int64_t count() const { return count_; }
  /// [k, k]: sum over samples of (x - mean)(x - mean)^T.
  const torch::Tensor& co_moment() const { return co_moment_; }

  /// Mean of sum_i weights_i x_i; standard error sqrt(w^T Cov w / n).
  Estimate combination(const std::vector<double>& weights) const;

  /// Mean of x_i.
  Estimate mean(int64_t i) const;

  /// Mean of sum_i above_i x_i over mean of sum_i below_i x_i, with the error of the linearised
  /// ratio.
  Estimate ratio(const std::vector<double>& above, const std::vector<double>& below) const;

  /// What a copy is made of: count, mean and co_moment.
  TensorMap state() const;
  /// @throws CheckpointError unless `state` is of as many variables.
  void load(const TensorMap& state);

 private:
  int64_t count_ = 0;
  torch::Tensor mean_;       // [k]
  torch::Tensor co_moment_;  // [k, k]
};

/// ratio() of whatever has such a combination().
Estimate ratio_of_means(const std::function<Estimate(const std::vector<double>&)>& combination,
                        const std::vector<double>& above, const std::vector<double>& below);

}  // namespace halcyon
