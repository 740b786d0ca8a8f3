#include "core/noise_grid.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "core/error.h"

namespace halcyon {
namespace {

constexpr int64_t kMostSteps = 1'000'000;

void check_range(double sigma_min, double sigma_max, int64_t steps) {
  if (steps < 1 || steps > kMostSteps || !(0 < sigma_min && sigma_min < sigma_max) ||
      !std::isfinite(sigma_max)) {
    throw ConfigError(fmt::format(
        "sampler: want steps in 1 .. 1000000 and 0 < sigma_min < sigma_max, got {}, {} and {}",
        steps, sigma_min, sigma_max));
  }
}

/// The levels f(0), f(1 / (steps - 1)), ..., f(1), and then 0.
template <class F>
std::vector<double> grid(int64_t steps, F&& f) {
  std::vector<double> sigmas;
  for (int64_t i = 0; i < steps; ++i) {
    sigmas.push_back(f(steps == 1 ? 0.0 : static_cast<double>(i) / static_cast<double>(steps - 1)));
  }
  sigmas.push_back(0.0);
  const bool decreasing =
      std::adjacent_find(sigmas.begin(), sigmas.end(), std::less_equal<>()) == sigmas.end();
  if (!decreasing || !std::isfinite(sigmas.front())) {
    throw ConfigError(fmt::format(
        "sampler: {} noise levels from {} to {} cannot be told apart; want fewer sampler.steps, "
        "other sampler.sigma_min and sigma_max, or another sampler.grid",
        steps, sigmas.front(), sigmas[sigmas.size() - 2]));
  }
  return sigmas;
}

}  // namespace

std::vector<double> karras_grid(double sigma_min, double sigma_max, int64_t steps, double rho) {
  check_range(sigma_min, sigma_max, steps);
  if (!(rho > 0)) throw ConfigError(fmt::format("sampler.rho: want a number > 0, got {}", rho));
  const double from = std::pow(sigma_max, 1 / rho);
  const double to = std::pow(sigma_min, 1 / rho);
  return grid(steps, [&](double u) { return std::pow(from + u * (to - from), rho); });
}

std::vector<double> geometric_grid(double sigma_min, double sigma_max, int64_t steps) {
  check_range(sigma_min, sigma_max, steps);
  return grid(steps, [&](double u) { return sigma_max * std::pow(sigma_min / sigma_max, u); });
}

std::vector<double> vp_grid(const VpSchedule& schedule, double sigma_min, double sigma_max,
                            int64_t steps) {
  check_range(sigma_min, sigma_max, steps);
  const auto time = [&](double sigma) {
    return schedule.time(torch::tensor(sigma, torch::kFloat64)).item<double>();
  };
  const double from = time(sigma_max);
  const double to = time(sigma_min);
  return grid(steps, [&](double u) {
    return schedule.sigma(torch::tensor(from + u * (to - from), torch::kFloat64)).item<double>();
  });
}

}  // namespace halcyon
