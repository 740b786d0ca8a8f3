#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>

#include "metrics/metric_estimate.h"

namespace halcyon {

/// The k images of a set that are nearest to each of some others, nearest first.
struct NearestNeighbours {
  torch::Tensor distances;  ///< float64 [N, k], Euclidean
  torch::Tensor indices;    ///< int64 [N, k]
};

/// Of rows [N, ...] in a set [M, ...], both of one type; M >= k.  Bytes are compared as numbers of
/// 0 to 255.  Found in float32, block by block, and measured by differences: a copy is 0 away.
/// `on_block` is told how many of the rows are done.
NearestNeighbours nearest_neighbours(const torch::Tensor& rows, const torch::Tensor& set, int64_t k,
                                     const std::function<void(int64_t)>& on_block = {});

/// Distance to the nearest training image over that to the second nearest: [N], of neighbours with
/// k >= 2.  0 where both are 0.
torch::Tensor nearest_ratio(const NearestNeighbours& neighbours);

/// A sample is taken for a copy if nearest_ratio() is at most this (Yoon et al. 2023).
inline constexpr double kCopyRatio = 1.0 / 3;

/// The share of copies among samples, with its binomial error (that of one copy if there is none).
MetricEstimate copy_share(const NearestNeighbours& neighbours);

/// How many standard deviations more often held-out images are nearer to the training images than
/// samples are, than for samples of the data's law: the z-score of Mann and Whitney's U of both
/// distances, C_T of Meehan et al. 2020 with one cell.  N(0, 1) for a model that neither copies nor
/// misses the data; far below 0, samples are nearer to the training images than fresh data are.
double copying_z(const NearestNeighbours& samples, const NearestNeighbours& held_out);

}  // namespace halcyon
