#include "fisher/sample_moments.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/torch.h"

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
  // Not in place: a copy of these moments has the same tensors.
  co_moment_ = co_moment_ + (centred.t().matmul(centred) + delta.outer(delta) * (n * m / (n + m)));
  mean_ = mean_ + delta * (m / (n + m));
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

Estimate SampleMoments::ratio(const std::vector<double>& above,
                              const std::vector<double>& below) const {
  return ratio_of_means([&](const auto& weights) { return combination(weights); }, above, below);
}

Estimate ratio_of_means(const std::function<Estimate(const std::vector<double>&)>& combination,
                        const std::vector<double>& above, const std::vector<double>& below) {
  const auto numerator = combination(above);
  const double denominator = combination(below).value;
  const double value = numerator.value / denominator;
  std::vector<double> residual;
  for (size_t i = 0; i < above.size(); ++i) {
    residual.push_back((above[i] - value * below[i]) / denominator);
  }
  return {value, combination(residual).standard_error, numerator.count};
}

TensorMap SampleMoments::state() const {
  return {{"count", torch::tensor(count_)}, {"mean", mean_}, {"co_moment", co_moment_}};
}

void SampleMoments::load(const TensorMap& state) {
  require_same_layout(state, SampleMoments(mean_.size(0)).state());
  count_ = state.at("count").item<int64_t>();
  mean_ = state.at("mean").clone();
  co_moment_ = state.at("co_moment").clone();
}

}  // namespace halcyon
