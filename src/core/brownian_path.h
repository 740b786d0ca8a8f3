#pragma once

#include <torch/types.h>

#include <array>
#include <cstdint>

namespace halcyon {

/// Brownian motion over ln sigma, one path for each sample of a seed, in every element of a batch.
/// Its value at a noise level is found by halving the whole range again and again, each midpoint
/// drawn given its ends: so it does not depend on what else was asked for, and a finer grid of
/// noise levels follows the same path.
///
/// Levels are told apart down to a part in 30 000.  Draws are made on the CPU, by Philox counters
/// of the sample and the midpoint: the same on every device.
class BrownianPath {
 public:
  /// Of samples first .. first + count - 1 of `seed`.
  BrownianPath(uint64_t seed, int64_t first, int64_t count);

  /// (W(ln to) - W(ln from)) / sqrt(|ln from - ln to|) ~ N(0, I): [count, ...], as `like`.
  /// Increments of intervals that do not overlap are independent.
  /// @throws ConfigError unless both levels are within 2^-24 .. 2^24 and can be told apart.
  torch::Tensor increment(double from, double to, const torch::Tensor& like);

 private:
  static constexpr int kDepth = 20;  // the range has 2^kDepth cells

  /// A place as a whole number of cells.
  static int64_t place_of(double sigma);
  /// W there, in units in which a cell has variance 1.
  torch::Tensor value(int64_t place, const torch::Tensor& like);
  /// The draw that belongs to a midpoint.
  torch::Tensor normal(int64_t place, const torch::Tensor& like) const;

  struct Midpoint {
    int64_t place = -1;
    torch::Tensor value;
  };

  uint64_t key_;
  int64_t first_;
  int64_t count_;
  std::array<Midpoint, kDepth + 1> path_;  // the last one visited at each depth; 0: the far end
};

}  // namespace halcyon
