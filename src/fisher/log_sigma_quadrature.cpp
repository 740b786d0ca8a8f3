#include "fisher/log_sigma_quadrature.h"

#include <fmt/format.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace halcyon {

std::vector<double> log_sigma_weights(const std::vector<double>& sigma) {
  if (sigma.size() < 2) {
    throw ConfigError(fmt::format("noise levels: want at least 2, got {}", sigma.size()));
  }
  std::vector<double> weights(sigma.size(), 0.0);
  for (size_t k = 0; k + 1 < sigma.size(); ++k) {
    if (!(0 < sigma[k] && sigma[k] < sigma[k + 1])) {
      throw ConfigError(fmt::format("noise levels: want them positive and increasing, got {}, {}",
                                    sigma[k], sigma[k + 1]));
    }
    const double half_step = std::log(sigma[k + 1] / sigma[k]) / 2;
    weights[k] += half_step;
    weights[k + 1] += half_step;
  }
  return weights;
}

Estimate weighted_sum(const std::vector<double>& weights, const std::vector<Estimate>& x,
                      Levels levels) {
  TORCH_CHECK(weights.size() == x.size() && !x.empty(), "weighted_sum: ", weights.size(),
              " weights for ", x.size(), " estimates");
  Estimate sum{.count = x.front().count};
  double variance = 0;
  double bound = 0;
  for (size_t k = 0; k < x.size(); ++k) {
    sum.value += weights[k] * x[k].value;
    variance += std::pow(weights[k] * x[k].standard_error, 2);
    bound += std::abs(weights[k]) * x[k].standard_error;
    sum.count = std::min(sum.count, x[k].count);
  }
  sum.standard_error = levels == Levels::independent ? std::sqrt(variance) : bound;
  return sum;
}

}  // namespace halcyon
