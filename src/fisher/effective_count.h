#pragma once

#include <torch/types.h>

#include "core/tensor_map.h"

namespace halcyon {

/// Of how many samples the standard error of a mean is made:
///
///     n_eff = (sum_i w_i)^2 / sum_i w_i^2,   w_i = (x_i - mean)^2
///
/// the number of samples over their kurtosis: n / 3 for a Gaussian, k where k of them carry all of
/// the spread.  The relative error of the variance is about 1 / sqrt(n_eff).  Below some ten,
/// intervals of the sample are too short, since what carries the mean has hardly been drawn: of two
/// Gaussians with few samples between them, 95 % intervals of tr grad D hold the truth in less than
/// half of all cases where n_eff is 1, in three of four at 2, in nine of ten at 5.  Merged batch by
/// batch in float64.
class EffectiveCount {
 public:
  /// samples: [B].
  void add(const torch::Tensor& samples);

  int64_t count() const { return count_; }
  /// n_eff, in [1, n]; n where nothing varies, NaN without samples.
  double value() const;

  TensorMap state() const;
  /// @throws CheckpointError unless `state` is one of this class.
  void load(const TensorMap& state);

 private:
  int64_t count_ = 0;
  double mean_ = 0;
  double second_ = 0, third_ = 0, fourth_ = 0;  // sums of powers of (x - mean)
};

}  // namespace halcyon
