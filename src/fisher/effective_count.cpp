#include "fisher/effective_count.h"

#include <limits>

#include "core/torch.h"

namespace halcyon {

void EffectiveCount::add(const torch::Tensor& samples) {
  if (samples.numel() == 0) return;
  const auto x = samples.detach().flatten().to(torch::kCPU, torch::kFloat64);
  const auto centred = x - x.mean();
  const auto power_sum = [&](int power) { return centred.pow(power).sum().item<double>(); };
  const double second = power_sum(2), third = power_sum(3), fourth = power_sum(4);

  // Moments about the common mean, which lies m / (n + m) of the way from the old to the new.
  const auto n = static_cast<double>(count_), m = static_cast<double>(x.numel());
  const double delta = x.mean().item<double>() - mean_;
  const double a = delta * m / (n + m), b = -delta * n / (n + m);  // old and new mean less common
  const auto moved = [](double count, double shift, double s2, double s3) {
    const double square = shift * shift;
    return -4 * shift * s3 + 6 * square * s2 + count * square * square;
  };
  fourth_ += fourth + moved(n, a, second_, third_) + moved(m, b, second, third);
  third_ += third - 3 * (a * second_ + b * second) - n * a * a * a - m * b * b * b;
  second_ += second + n * a * a + m * b * b;
  mean_ += a;
  count_ += x.numel();
}

double EffectiveCount::value() const {
  if (count_ == 0) return std::numeric_limits<double>::quiet_NaN();
  if (!(fourth_ > 0)) return static_cast<double>(count_);
  return second_ * second_ / fourth_;
}

TensorMap EffectiveCount::state() const {
  return {{"count", torch::tensor(count_)},
          {"sums", torch::tensor({mean_, second_, third_, fourth_}, torch::kFloat64)}};
}

void EffectiveCount::load(const TensorMap& state) {
  require_same_layout(state, EffectiveCount().state());
  count_ = state.at("count").item<int64_t>();
  const auto sums = state.at("sums");
  mean_ = sums[0].item<double>();
  second_ = sums[1].item<double>();
  third_ = sums[2].item<double>();
  fourth_ = sums[3].item<double>();
}

}  // namespace halcyon
