#include "fisher/log_snr_density.h"

#include <fmt/format.h>

#include <cmath>
#include <functional>

#include "core/error.h"
#include "core/torch.h"

namespace halcyon {
namespace {

constexpr double kUniformShare = 0.25;
constexpr int kBisections = 60;  // 2^-60 of the range: to rounding

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

/// Where the increasing function f crosses `value` in [low, high].
double crossing(const std::function<double(double)>& f, double value, double low, double high) {
  for (int i = 0; i < kBisections; ++i) {
    const double middle = (low + high) / 2;
    (f(middle) < value ? low : high) = middle;
  }
  return (low + high) / 2;
}

}  // namespace

LogSnrDensity::LogSnrDensity(double low, double high, double loc, double scale)
    : low_(low), high_(high), loc_(loc), scale_(scale) {
  if (!(low < high && low <= loc && loc <= high && scale > 0)) {
    throw ConfigError(fmt::format(
        "log-SNR density: want loc in the range [{:.4g}, {:.4g}] of -2 ln sigma and scale > 0, got "
        "loc {}, scale {}",
        low, high, loc, scale));
  }
  below_ = logistic((low - loc) / scale);
  inside_ = logistic((high - loc) / scale) - below_;
}

torch::Tensor LogSnrDensity::density(const torch::Tensor& log_snr) const {
  const auto s = ((log_snr - loc_) / scale_).sigmoid();
  return (1 - kUniformShare) / (scale_ * inside_) * s * (1 - s) + kUniformShare / (high_ - low_);
}

torch::Tensor LogSnrDensity::cumulative(const torch::Tensor& log_snr) const {
  const auto s = ((log_snr - loc_) / scale_).sigmoid();
  return (1 - kUniformShare) / inside_ * (s - below_) +
         kUniformShare / (high_ - low_) * (log_snr - low_);
}

torch::Tensor LogSnrDensity::quantile(const torch::Tensor& u) const {
  auto low = torch::full_like(u, low_);
  auto high = torch::full_like(u, high_);
  for (int i = 0; i < kBisections; ++i) {
    const auto middle = (low + high) / 2;
    const auto is_below = cumulative(middle) < u;
    low = torch::where(is_below, middle, low);
    high = torch::where(is_below, high, middle);
  }
  return (low + high) / 2;
}

LogSnrDensity information_density(const GaussianMixture& gaussian, double low, double high) {
  TORCH_CHECK(gaussian.components() == 1, "information_density: want one Gaussian, got ",
              gaussian.components());
  const auto rate = [&](double log_snr) {
    return gaussian.mmse(std::exp(-log_snr / 2)) * std::exp(log_snr);
  };
  const double bottom = rate(low);
  const auto quantile = [&](double share) {
    return crossing(rate, bottom + share * (rate(high) - bottom), low, high);
  };
  // A logistic density has its quartiles at loc +- ln 3 scale.
  return {low, high, quantile(0.5), (quantile(0.75) - quantile(0.25)) / (2 * std::log(3.0))};
}

}  // namespace halcyon
