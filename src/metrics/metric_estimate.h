#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace halcyon {

/// A number measured on sets of images, with its standard error over fresh sets of the same sizes.
struct MetricEstimate {
  double value = 0;
  double standard_error = 0;
};

/// The rows 0 .. count - 1 in random order, cut into `parts` whose sizes differ by one at most:
/// int64 indices each.
std::vector<torch::Tensor> random_parts(int64_t count, int64_t parts, at::Generator& rng);

using SetStatistic = std::function<double(const torch::Tensor& a, const torch::Tensor& b)>;

/// The standard error of statistic(a, b), sets of [N, ...] and [M, ...], from its standard
/// deviation s over `parts` disjoint parts of both: s / sqrt(parts).  It wants only that the spread
/// falls with the root of the size, and so holds also for nearest neighbours and sorted
/// projections, of which a bootstrap, that repeats rows, gives a wrong one (subsampling: Politis
/// and Romano 1994).
double error_by_parts(const SetStatistic& statistic, const torch::Tensor& a, const torch::Tensor& b,
                      int64_t parts, at::Generator& rng);

/// sqrt((G - 1) / G sum (theta_g - mean)^2), theta_g being the statistic without group g: the
/// grouped jackknife.  On average not below the truth (Efron and Stein 1981); at most sqrt(2) above
/// where the first order vanishes, as for equal laws.
double jackknife_error(const std::vector<double>& without_group);

/// Mean and standard deviation (n - 1) of at least two numbers.
struct Spread {
  double mean;
  double deviation;
};
Spread spread_of(const std::vector<double>& values);

}  // namespace halcyon
