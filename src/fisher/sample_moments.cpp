#include "fisher/sample_moments.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace halcyon {

SampleMoments::SampleMoments(int64_t variables)
    : mean_(torch::zeros({variables}, torch::kFloat64)),
      co_moment_(torch::zeros({variables, variables}, torch::kFloat64)) {}

void SampleMoments::add(const torch::Tensor& samples) {
  const auto x = samples.detach().to(torch::kCPU, torch::kFloat64);
  if (x.size(0) == 0) return;
  const auto batch_mean = x.mean(0);
  const auto centred = x - batch_mean;
  const auto delta = batch_mean - mean_;
  const auto n = static_cast<double>(count_);
  const auto m = static_cast<double>(x.size(0));
  co_moment_ += centred.t().matmul(centred) + delta.outer(delta) * (n * m / (n + m));
  mean_ += delta * (m / (n + m));
  count_ += x.size(0);
}

Estimate SampleMoments::combination(const std::vector<double>& weights) const {
  const auto w = torch::tensor(weights, torch::kFloat64);
  const double value = w.dot(mean_).item<double>();
  if (count_ < 2) return {value, std::numeric_limits<double>::quiet_NaN(), count_};
  const auto n = static_cast<double>(count_);
  const double variance = w.dot(co_moment_.matmul(w)).item<double>() / (n - 1);
  return {value, std::sqrt(std::max(variance, 0.0) / n), count_};
}

Estimate SampleMoments::mean(int64_t i) const {
  std::vector<double> weights(static_cast<size_t>(mean_.size(0)), 0.0);
  weights[static_cast<size_t>(i)] = 1;
  return combination(weights);
}

Estimate SampleMoments::ratio(int64_t i, int64_t j) const {
  const double denominator = mean_[j].item<double>();
  const double value = mean_[i].item<double>() / denominator;
  std::vector<double> weights(static_cast<size_t>(mean_.size(0)), 0.0);
  weights[static_cast<size_t>(i)] += 1 / denominator;
  weights[static_cast<size_t>(j)] -= value / denominator;
  return {value, combination(weights).standard_error, count_};
}

}  // namespace halcyon
