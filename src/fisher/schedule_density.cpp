#include "fisher/schedule_density.h"

#include <algorithm>
#include <cmath>

#include "core/torch.h"

namespace halcyon {
namespace {

/// Half of the step in ln sigma over which the score is differenced: its error is of second order,
/// some 1e-4 of the change of a score that turns over a factor e.
constexpr double kHalfStep = 0.02;

enum Variable : int64_t { kChange, kError, kVariables };

torch::Tensor square_norm(const torch::Tensor& t) {
  return t.square().flatten(1).sum(1, /*keepdim=*/false, torch::kFloat64);
}

}  // namespace

ScheduleLevel::ScheduleLevel(double sigma, double sigma_data)
    : sigma_(sigma), sigma_data_(sigma_data), moments_(kVariables) {}

void ScheduleLevel::add(Denoiser& denoiser, const torch::Tensor& x0, const torch::Tensor& noise) {
  const torch::NoGradGuard no_grad;
  const auto scale = [&](double sigma) { return std::hypot(sigma_data_, sigma); };
  const auto denoised = [&](const torch::Tensor& x, double sigma) {
    return denoiser.denoise(x, torch::full({x.size(0)}, sigma, x.options()));
  };
  const auto x = x0 + sigma_ * noise;
  const auto y = x / scale(sigma_);
  const auto score_of_y = [&](double sigma) {
    const auto at = scale(sigma) * y;
    return scale(sigma) / (sigma * sigma) * (denoised(at, sigma) - at);
  };
  const auto slope =
      (score_of_y(sigma_ * std::exp(kHalfStep)) - score_of_y(sigma_ * std::exp(-kHalfStep))) /
      (2 * kHalfStep);
  moments_.add(torch::stack({square_norm(sigma_ / scale(sigma_) * slope),
                             square_norm((denoised(x, sigma_) - x0) / sigma_)},
                            /*dim=*/1));
}

ScheduleDensity ScheduleLevel::density() const {
  return {sigma_, moments_.mean(kChange), moments_.mean(kError)};
}

std::vector<double> equal_increments(const std::vector<double>& sigmas,
                                     const std::vector<double>& density, int64_t steps) {
  TORCH_CHECK(sigmas.size() >= 2 && density.size() == sigmas.size() && steps >= 1,
              "equal_increments wants two levels or more, a density for each, and steps >= 1");
  std::vector<double> sum = {0};  // of the density from the lowest level
  for (size_t k = 1; k < sigmas.size(); ++k) {
    sum.push_back(sum.back() +
                  0.5 * (density[k - 1] + density[k]) * std::log(sigmas[k] / sigmas[k - 1]));
  }
  std::vector<double> levels = {sigmas.back()};
  for (int64_t i = 1; i + 1 < steps; ++i) {
    const double wanted =
        sum.back() * (1 - static_cast<double>(i) / static_cast<double>(steps - 1));
    const auto next = std::upper_bound(sum.begin(), sum.end() - 1, wanted) - sum.begin();
    const auto k = static_cast<size_t>(next);
    // Within the cell the integral is quadratic in v: a v + (b - a) v^2 / 2 per unit of length.
    const double length = std::log(sigmas[k] / sigmas[k - 1]);
    const double a = density[k - 1];
    const double slope = density[k] - a;
    const double rest = (wanted - sum[k - 1]) / length;
    const double v = 2 * rest / (a + std::sqrt(std::max(0.0, a * a + 2 * slope * rest)));
    levels.push_back(sigmas[k - 1] * std::exp(length * std::clamp(v, 0.0, 1.0)));
  }
  if (steps > 1) levels.push_back(sigmas.front());
  return levels;
}

}  // namespace halcyon
