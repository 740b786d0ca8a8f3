#pragma once

#include <torch/types.h>

#include <cstdint>

#include "fisher/sample_moments.h"

namespace halcyon {

/// What independent gradients of one law have in common and what tells them apart, with errors by a
/// jackknife over groups of them.  Counts are of gradients.
class GradientMoments {
 public:
  static constexpr int64_t kGroups = 8;

  /// gradient: [P]
  void add(const torch::Tensor& gradient);
  int64_t count() const { return count_; }

  /// |E g|^2 without bias; of no count before each group has a gradient.
  Estimate signal() const;
  /// |E g|^2 / tr Cov[g] of one gradient, without bias in either; of no count likewise.
  Estimate signal_to_noise() const;

 private:
  struct Sums {
    double square;  ///< |sum g|^2
    double power;   ///< sum |g|^2
    double count;
  };
  Estimate jackknifed(double (*f)(const Sums&)) const;

  int64_t count_ = 0;
  torch::Tensor sums_;                                               // [groups, P]
  torch::Tensor powers_ = torch::zeros({kGroups}, torch::kFloat64);  // sums of squares
};

}  // namespace halcyon
