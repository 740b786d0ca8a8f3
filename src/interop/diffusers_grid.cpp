#include "interop/diffusers_grid.h"

#include <fmt/format.h>

#include <cmath>

#include "core/noise_grid.h"
#include "core/require.h"

namespace halcyon {
namespace {

double sigma_at(const VpSchedule& schedule, int64_t t) {
  const double alpha_bar = schedule.alpha_bar()[static_cast<size_t>(t)];
  return std::sqrt((1 - alpha_bar) / alpha_bar);
}

/// sigma between the whole timesteps, linear in t.
double interpolated_sigma(const VpSchedule& schedule, double t) {
  const auto last = static_cast<int64_t>(schedule.alpha_bar().size()) - 1;
  const auto low = std::min(static_cast<int64_t>(t), last - 1);
  const double fraction = t - static_cast<double>(low);
  return (1 - fraction) * sigma_at(schedule, low) + fraction * sigma_at(schedule, low + 1);
}

/// Decreasing.
std::vector<double> timesteps(const DiffusersGrid& grid, int64_t total) {
  const int64_t steps = grid.steps;
  const bool solver = grid.family == TimestepFamily::dpm_solver;
  const bool whole = grid.family != TimestepFamily::interpolated;
  const double intervals = static_cast<double>(solver ? steps : std::max<int64_t>(steps - 1, 1));
  const int64_t stride = total / (solver ? steps + 1 : steps);
  std::vector<double> times;
  for (int64_t i = 0; i < steps; ++i) {
    const auto left = static_cast<double>(solver ? steps - i : steps - 1 - i);
    if (grid.spacing == "linspace") {
      const double t =
          steps == 1 && !solver ? 0 : static_cast<double>(total - 1) * left / intervals;
      times.push_back(whole ? std::nearbyint(t) : t);
    } else if (grid.spacing == "leading") {
      times.push_back(left * static_cast<double>(stride) + static_cast<double>(grid.offset));
    } else {
      const double width = static_cast<double>(total) / static_cast<double>(steps);
      times.push_back(std::nearbyint(static_cast<double>(total) - static_cast<double>(i) * width) -
                      1);
    }
  }
  return times;
}

GridSpacing named(const std::string& spacing) {
  if (spacing == "leading") return GridSpacing::leading;
  return spacing == "linspace" ? GridSpacing::linspace : GridSpacing::trailing;
}

bool is_ours(const DiffusersGrid& grid) {
  if (grid.spacing == "trailing") return true;
  if (grid.spacing == "linspace") return grid.family == TimestepFamily::ddpm;
  return grid.family != TimestepFamily::dpm_solver && grid.offset == 0;
}

}  // namespace

SamplerOptions with_grid(SamplerOptions sampler, const DiffusersGrid& grid,
                         const VpSchedule& schedule) {
  const auto total = static_cast<int64_t>(schedule.alpha_bar().size());
  require_option(1 <= grid.steps && grid.steps <= total, "--steps",
                 fmt::format("1 .. {}", total).c_str(), grid.steps);
  sampler.steps = grid.steps;
  if (is_ours(grid)) {
    sampler.grid = named(grid.spacing);
    return sampler;
  }
  sampler.grid = GridSpacing::file;
  sampler.grid_levels.emplace();
  for (const double t : timesteps(grid, total)) {
    require_option(0 <= t && t <= static_cast<double>(total - 1), "steps_offset",
                   "timesteps of the process", grid.offset);
    sampler.grid_levels->push_back(interpolated_sigma(schedule, t));
  }
  return sampler;
}

}  // namespace halcyon
