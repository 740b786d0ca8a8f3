#pragma once

#include <torch/types.h>

#include <vector>

namespace halcyon {

/// A function of the noise level that was measured at some levels: linear in ln sigma between
/// them, constant below the lowest and above the highest.  Immutable.
class LogSigmaTable {
 public:
  struct Point {
    double sigma, value;
  };

  /// @throws ConfigError unless there is a point, every number is finite, and sigma > 0 increases.
  explicit LogSigmaTable(std::vector<Point> points);

  double at(double sigma) const;

  /// The same for every element of `sigma`, > 0; shaped, typed and placed as sigma.
  torch::Tensor at(const torch::Tensor& sigma) const;

  const std::vector<Point>& points() const { return points_; }

 private:
  std::vector<Point> points_;
};

}  // namespace halcyon
