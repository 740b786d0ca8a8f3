#include "metrics/kernel_distance.h"

#include <cmath>

#include "core/torch.h"

namespace halcyon {
namespace {

constexpr int64_t kBlock = 2048;

torch::Tensor kernel(const torch::Tensor& x, const torch::Tensor& y) {
  return (x.mm(y.t()) / static_cast<double>(x.size(1)) + 1).pow(3);
}

/// sum over j of k(x_i, y_j): [N].
torch::Tensor sums(const torch::Tensor& x, const torch::Tensor& y) {
  std::vector<torch::Tensor> rows;
  for (const auto& part : x.split(kBlock)) {
    auto sum = torch::zeros({part.size(0)}, part.options());
    for (const auto& other : y.split(kBlock)) sum += kernel(part, other).sum(1);
    rows.push_back(sum);
  }
  return torch::cat(rows);
}

/// sum over j != i of k(x_i, x_j): [N].
torch::Tensor sums_of_others(const torch::Tensor& x) {
  const auto own = (x.square().sum(1) / static_cast<double>(x.size(1)) + 1).pow(3);
  return sums(x, x) - own;
}

/// One set's part in the estimate.
struct Side {
  torch::Tensor within;  // [N]: sums over the others of its own
  torch::Tensor across;  // [N]: sums over the other set
  double count() const { return static_cast<double>(within.size(0)); }
  double mean() const { return within.sum().item<double>() / (count() * (count() - 1)); }

  /// Squared jackknife error: the estimate without row i is, up to what i does not change,
  /// (W - 2 w_i) / ((N - 1)(N - 2)) - 2 (C - c_i) / ((N - 1) M).
  double variance(double others) const {
    const double n = count();
    const auto without = -2 * within / ((n - 1) * (n - 2)) + 2 * across / ((n - 1) * others);
    return without.var(/*unbiased=*/true).item<double>() * (n - 1) * (n - 1) / n;
  }
};

double statistic(const Side& a, const Side& b) {
  const double across = a.across.sum().item<double>() / (a.count() * b.count());
  return a.mean() + b.mean() - 2 * across;
}

}  // namespace

MetricEstimate kernel_distance(const torch::Tensor& a, const torch::Tensor& b) {
  TORCH_CHECK(a.size(0) > 2 && b.size(0) > 2, "kernel_distance: ", a.sizes(), " and ", b.sizes());
  const auto x = a.to(torch::kFloat64), y = b.to(torch::kFloat64);
  const Side of_a = {sums_of_others(x), sums(x, y)};
  const Side of_b = {sums_of_others(y), sums(y, x)};
  const double variance = of_a.variance(of_b.count()) + of_b.variance(of_a.count());
  return {statistic(of_a, of_b), std::sqrt(variance)};
}

Spread kernel_distance_of_subsets(const torch::Tensor& a, const torch::Tensor& b, int64_t subsets,
                                  int64_t size, at::Generator rng) {
  TORCH_CHECK(size > 2 && size <= a.size(0) && size <= b.size(0),
              "kernel_distance_of_subsets: ", size, " of ", a.sizes(), " and ", b.sizes());
  const auto chosen = [&](const torch::Tensor& set) {
    const auto order = torch::randperm(set.size(0), rng, torch::kInt64).narrow(0, 0, size);
    return set.index_select(0, order.to(set.device())).to(torch::kFloat64);
  };
  std::vector<double> values;
  for (int64_t k = 0; k < subsets; ++k) {
    const auto x = chosen(a), y = chosen(b);
    values.push_back(statistic({sums_of_others(x), sums(x, y)}, {sums_of_others(y), sums(y, x)}));
  }
  return spread_of(values);
}

}  // namespace halcyon
