#pragma once

#include <cmath>
#include <stdexcept>
#include <string>
#include <vector>

namespace halcyon::testing {

/// x_t = alpha x_0 + noise n, as a process is written down in its own paper.
struct OwnCoordinates {
  double c_noise;  ///< what networks of the process are told of t
  double alpha;
  double noise;

  double sigma() const { return noise / alpha; }
};

/// The process `name` with its default constants at t in [0, 1], or at timestep 999 t for vp.
inline OwnCoordinates own_coordinates(const std::string& name, double t) {
  const double integral = 0.1 * t + 0.5 * 19.9 * t * t;  // of beta from 0.1 to 20
  const double alpha = std::exp(-0.5 * integral);
  if (name == "vp_sde") return {999 * t, alpha, std::sqrt(1 - alpha * alpha)};
  if (name == "sub_vp") return {999 * t, alpha, 1 - alpha * alpha};
  if (name == "flow") return {1000 * t, 1 - t, t};
  if (name == "ve") {
    const double sigma = 0.02 * std::pow(100 / 0.02, t);
    return {std::log(sigma / 2), 1, sigma};
  }
  if (name == "edm") {
    const double sigma = 0.002 + t * (80 - 0.002);
    return {std::log(sigma) / 4, 1, sigma};
  }
  if (name != "vp") throw std::runtime_error("no coordinates of " + name);
  double alpha_bar = 1;
  const double last = std::round(999 * t);
  for (int i = 0; i <= last; ++i) alpha_bar *= 1 - (1e-4 + (0.02 - 1e-4) * i / 999);
  return {last, std::sqrt(alpha_bar), std::sqrt(1 - alpha_bar)};
}

}  // namespace halcyon::testing
