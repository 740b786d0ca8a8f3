#include "fisher/gradient_moments.h"

#include <cmath>

#include "core/torch.h"

namespace halcyon {

void GradientMoments::add(const torch::Tensor& gradient) {
  if (!sums_.defined()) sums_ = gradient.new_zeros({kGroups, gradient.numel()});
  const int64_t group = count_ % kGroups;
  sums_[group] += gradient;
  powers_[group] += gradient.square().sum(torch::kFloat64).to(torch::kCPU);
  ++count_;
}

Estimate GradientMoments::jackknifed(double (*f)(const Sums&)) const {
  if (count_ < kGroups) return {};
  const auto of = [&](const torch::Tensor& sum, const torch::Tensor& power, int64_t count) {
    return f({sum.square().sum(torch::kFloat64).item<double>(), power.item<double>(),
              static_cast<double>(count)});
  };
  const auto sum = sums_.sum(0), power = powers_.sum();
  const double whole = of(sum, power, count_);
  double spread = 0;
  for (int64_t g = 0; g < kGroups; ++g) {
    const int64_t in_group = (count_ - g + kGroups - 1) / kGroups;
    const double without = of(sum - sums_[g], power - powers_[g], count_ - in_group);
    spread += (without - whole) * (without - whole);
  }
  constexpr double kFactor = static_cast<double>(kGroups - 1) / static_cast<double>(kGroups);
  return {whole, std::sqrt(kFactor * spread), count_};
}

Estimate GradientMoments::signal() const {
  return jackknifed([](const Sums& s) { return (s.square - s.power) / (s.count * (s.count - 1)); });
}

Estimate GradientMoments::signal_to_noise() const {
  return jackknifed([](const Sums& s) {
    const double signal = (s.square - s.power) / (s.count * (s.count - 1));
    return signal / (s.power / s.count - signal);
  });
}

}  // namespace halcyon
