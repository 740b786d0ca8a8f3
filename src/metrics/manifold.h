#pragma once

#include <torch/types.h>

#include <cstdint>

#include "metrics/metric_estimate.h"

namespace halcyon {

/// How a set of samples lies to a reference set, both seen as unions of balls: about each point one
/// that reaches to its k-th nearest neighbour in its own set, closed.
struct ManifoldMetrics {
  /// The share of samples within the reference's balls, and of reference points within those of the
  /// samples (Kynkaanniemi et al. 2019).  One outlier has a large ball, and can raise either.
  MetricEstimate precision;
  MetricEstimate recall;
  /// How many balls of the reference a sample lies in, over k, on average, and the share of the
  /// reference's balls with a sample in them (Naeem et al. 2020).  For equal laws their
  /// expectations are 1 and 1 - (N-1)...(N-k) / ((N+M-1)...(N+M-k)), for N reference points and M
  /// samples.
  MetricEstimate density;
  MetricEstimate coverage;
};

/// Of features [M, F] of samples and [N, F] of the reference, with distances in float64, block by
/// block: memory is that of a few rows of the distance matrix.  Errors by `parts` disjoint parts,
/// each with more than k rows of both sets.
ManifoldMetrics manifold_metrics(const torch::Tensor& samples, const torch::Tensor& reference,
                                 int64_t k, int64_t parts, at::Generator rng);

/// The coverage expected of equal laws, for N reference points and M samples: see ManifoldMetrics.
double expected_coverage(int64_t reference, int64_t samples, int64_t k);

}  // namespace halcyon
