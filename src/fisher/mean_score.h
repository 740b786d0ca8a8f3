#pragma once

#include <torch/types.h>

#include "core/tensor_map.h"

namespace halcyon {

/// The mean of score vectors s in R^d, and from pairs of them the second moment of
/// F = E[s s^T] without forming F:
///
///     tr F^2 = E (s_i . s_j)^2,  i != j  (a U-statistic: |mean of s s^T|^2 is too large by
///                                         about (tr F)^2 / n)
class MeanScore {
 public:
  explicit MeanScore(int64_t dim);

  /// scores: [B, d].  Pairs are taken within the batch.
  void add(const torch::Tensor& scores);

  int64_t count() const { return count_; }
  /// |mean s|^2.
  double mean_square() const;
  /// (tr F)^2 / tr F^2: how many directions carry the score; NaN before the first pair.
  double participation_ratio() const;
  /// n |mean s|^2 / tr F: 1 on average where E s = 0.
  double ratio() const;
  /// ratio() less 1, in units of its standard deviation sqrt(2 / participation_ratio).
  double z() const;

  TensorMap state() const;
  /// @throws CheckpointError unless `state` is of this dimension.
  void load(const TensorMap& state);

 private:
  int64_t count_ = 0;
  double squares_ = 0;       // sum of |s|^2
  double pairs_ = 0;         // number of ordered pairs i != j
  double pair_squares_ = 0;  // sum of (s_i . s_j)^2 over them
  torch::Tensor sum_;        // [d] float64
};

}  // namespace halcyon
