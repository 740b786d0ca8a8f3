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

/// t evenly spaced over the times of `schedule` between its sigma_max and sigma_min, or between
/// the given ones where these are narrower: DDPM's own grid when steps = T.
std::vector<double> vp_grid(const VpSchedule& schedule, double sigma_min, double sigma_max,
                            int64_t steps);

}  // namespace halcyon
