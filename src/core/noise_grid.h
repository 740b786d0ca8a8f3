#pragma once

#include <vector>

#include "core/noise_schedule.h"

namespace halcyon {

// Grids of noise levels for samplers: `steps` strictly decreasing levels from sigma_max to
// sigma_min, and then 0: steps + 1 values.  All throw ConfigError unless steps >= 1 and
// 0 < sigma_min < sigma_max; a single step is {sigma_max, 0}.

/// sigma_i^(1/rho) evenly spaced (Karras et al. 2022, eq. 5).
std::vector<double> karras_grid(double sigma_min, double sigma_max, int64_t steps, double rho);

/// ln sigma evenly spaced: a geometric sequence (Song and Ermon 2019, section 4.1).
std::vector<double> geometric_grid(double sigma_min, double sigma_max, int64_t steps);

/// t evenly spaced over the times of `process` between its sigma_max and sigma_min, or between the
/// given ones where these are narrower: DDPM's own grid for the VP process when steps = T.
std::vector<double> process_grid(const NoiseProcess& process, double sigma_min, double sigma_max,
                                 int64_t steps);

/// Which `steps` of the timesteps 0 .. T - 1 of a discrete process are taken, to whole ones:
///
///     leading   0, q, 2 q, ..., q = T / steps rounded down
///     linspace  evenly from 0 to T - 1
///     trailing  T - 1, T - 1 - T / steps, ...: the last one, where there is only noise, and not
///               the first (Lin et al. 2024)
enum class TimestepSpacing { leading, linspace, trailing };

/// The timesteps, decreasing.  @throws ConfigError unless steps in 1 .. timesteps.
std::vector<double> spaced_timesteps(TimestepSpacing spacing, int64_t timesteps, int64_t steps);

/// sigma at spaced_timesteps(), and then 0.
std::vector<double> timestep_grid(const VpSchedule& schedule, TimestepSpacing spacing,
                                  int64_t steps);

/// The strictly decreasing levels > 0 given, and then 0; where `steps` is neither 0 nor their
/// number, ln sigma is interpolated linearly over their index.
std::vector<double> resampled_grid(const std::vector<double>& levels, int64_t steps);

}  // namespace halcyon
