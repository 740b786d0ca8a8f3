#pragma once

#include <cmath>
#include <functional>
#include <vector>

#include "core/random.h"
#include "metrics/metric_estimate.h"

namespace halcyon::testing {

inline torch::Tensor normal(torch::IntArrayRef shape, uint64_t seed) {
  auto rng = make_generator(seed, "test");
  return torch::randn(shape, rng, torch::kFloat64);
}

/// What repetitions of a measurement on fresh sets say of its standard errors.
struct Coverage {
  double mean;       ///< of the values
  double deviation;  ///< of the values: the true standard error
  double ratio;      ///< root mean square of the errors given, over that
  double share;      ///< of the values within 2 errors of the truth

  double error_of_mean(int64_t repetitions) const {
    return deviation / std::sqrt(static_cast<double>(repetitions));
  }
};

/// Four standard errors of `ratio` over 200 repetitions, 1 / sqrt(2 * 200) each.
inline constexpr double kRatioTolerance = 0.2;

inline Coverage coverage(int64_t repetitions, double truth,
                         const std::function<MetricEstimate(uint64_t seed)>& measure) {
  std::vector<double> values;
  double squares = 0, within = 0;
  for (int64_t k = 0; k < repetitions; ++k) {
    const auto found = measure(static_cast<uint64_t>(1000 + k));
    values.push_back(found.value);
    squares += found.standard_error * found.standard_error;
    within += std::abs(found.value - truth) <= 2 * found.standard_error ? 1 : 0;
  }
  const auto n = static_cast<double>(repetitions);
  const auto spread = spread_of(values);
  return {spread.mean, spread.deviation, std::sqrt(squares / n) / spread.deviation, within / n};
}

}  // namespace halcyon::testing
