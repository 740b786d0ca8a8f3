#include "metrics/metric_estimate.h"

#include <cmath>

#include "core/torch.h"

namespace halcyon {

std::vector<torch::Tensor> random_parts(int64_t count, int64_t parts, at::Generator& rng) {
  TORCH_CHECK(parts > 0 && parts <= count, "random_parts: ", parts, " parts of ", count);
  return torch::randperm(count, rng, torch::kInt64).tensor_split(parts);
}

double error_by_parts(const SetStatistic& statistic, const torch::Tensor& a, const torch::Tensor& b,
                      int64_t parts, at::Generator& rng) {
  const auto of_a = random_parts(a.size(0), parts, rng);
  const auto of_b = random_parts(b.size(0), parts, rng);
  std::vector<double> values;
  for (int64_t k = 0; k < parts; ++k) {
    values.push_back(statistic(a.index_select(0, of_a[k].to(a.device())),
                               b.index_select(0, of_b[k].to(b.device()))));
  }
  return spread_of(values).deviation / std::sqrt(static_cast<double>(parts));
}

double jackknife_error(const std::vector<double>& without_group) {
  const auto groups = static_cast<double>(without_group.size());
  return spread_of(without_group).deviation * (groups - 1) / std::sqrt(groups);
}

Spread spread_of(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  double sum = 0, squares = 0;
  for (const double value : values) sum += value;
  for (const double value : values) squares += (value - sum / n) * (value - sum / n);
  return {sum / n, std::sqrt(squares / (n - 1))};
}

}  // namespace halcyon
