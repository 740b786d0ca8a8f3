#include "core/noise_grid.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "core/error.h"
#include "core/require.h"
#include "core/torch.h"

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

std::vector<double> process_grid(const NoiseProcess& process, double sigma_min, double sigma_max,
                                 int64_t steps) {
  check_range(sigma_min, sigma_max, steps);
  const auto time = [&](double sigma) {
    return process.time(torch::tensor(sigma, torch::kFloat64)).item<double>();
  };
  const double from = time(sigma_max);
  const double to = time(sigma_min);
  return grid(steps, [&](double u) {
    return process.sigma(torch::tensor(from + u * (to - from), torch::kFloat64)).item<double>();
  });
}

std::vector<double> spaced_timesteps(TimestepSpacing spacing, int64_t timesteps, int64_t steps) {
  require_option(1 <= steps && steps <= timesteps, "sampler.steps",
                 "1 .. preconditioning.timesteps for this sampler.grid", steps);
  const auto count = static_cast<double>(steps);
  const auto all = static_cast<double>(timesteps);
  std::vector<double> times;
  for (int64_t i = 0; i < steps; ++i) {
    const auto k = static_cast<double>(i);
    switch (spacing) {
      case TimestepSpacing::leading:
        times.push_back((count - 1 - k) * std::floor(all / count));
        break;
      case TimestepSpacing::linspace:
        times.push_back(steps == 1 ? all - 1
                                   : std::nearbyint((count - 1 - k) * ((all - 1) / (count - 1))));
        break;
      case TimestepSpacing::trailing:
        times.push_back(std::nearbyint(all - k * (all / count)) - 1);
        break;
    }
  }
  return times;
}

std::vector<double> timestep_grid(const VpSchedule& schedule, TimestepSpacing spacing,
                                  int64_t steps) {
  const auto timesteps = static_cast<int64_t>(schedule.alpha_bar().size());
  const auto times = spaced_timesteps(spacing, timesteps, steps);
  const auto sigmas = schedule.sigma(torch::tensor(times, torch::kFloat64));
  std::vector<double> levels(sigmas.data_ptr<double>(), sigmas.data_ptr<double>() + steps);
  levels.push_back(0);
  return levels;
}

std::vector<double> resampled_grid(const std::vector<double>& levels, int64_t steps) {
  TORCH_CHECK(!levels.empty(), "no levels");
  require_option(0 <= steps && steps <= kMostSteps, "sampler.steps", "0 .. 1000000", steps);
  const size_t last = levels.size() - 1;
  if (steps == 0) steps = static_cast<int64_t>(levels.size());
  return grid(steps, [&](double u) {
    const double at = u * static_cast<double>(last);
    const auto left = static_cast<size_t>(at);
    const double fraction = at - static_cast<double>(left);
    if (fraction == 0) return levels[left];
    return levels[left] * std::pow(levels[left + 1] / levels[left], fraction);
  });
}

}  // namespace halcyon
