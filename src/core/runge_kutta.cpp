#include "core/runge_kutta.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "core/error.h"
#include "core/torch.h"

namespace halcyon {
namespace {

constexpr int kStages = 7;
// Dormand and Prince 1980: nodes, and the rows of the tableau, of which the last is also the
// solution of order 5, so that its slope is the first of the next step.
constexpr std::array<double, kStages> kNodes = {0, 1. / 5, 3. / 10, 4. / 5, 8. / 9, 1, 1};
constexpr double kTableau[kStages][kStages - 1] = {
    {},
    {1. / 5},
    {3. / 40, 9. / 40},
    {44. / 45, -56. / 15, 32. / 9},
    {19372. / 6561, -25360. / 2187, 64448. / 6561, -212. / 729},
    {9017. / 3168, -355. / 33, 46732. / 5247, 49. / 176, -5103. / 18656},
    {35. / 384, 0, 500. / 1113, 125. / 192, -2187. / 6784, 11. / 84}};
// Order 5 less order 4.
constexpr std::array<double, kStages> kError = {
    71. / 57600, 0, -71. / 16695, 71. / 1920, -17253. / 339200, 22. / 525, -1. / 40};

struct Step {
  torch::Tensor y;
  torch::Tensor slope;  // at the end
  double error;         // in units of the tolerance
};

Step dopri5_step(const OdeFunction& f, double t, double h, const torch::Tensor& y,
                 const torch::Tensor& slope, double tolerance) {
  std::vector<torch::Tensor> k = {slope};
  auto next = y;
  for (int i = 1; i < kStages; ++i) {
    next = y;
    for (int j = 0; j < i; ++j) {
      if (kTableau[i][j] != 0) next = next + h * kTableau[i][j] * k[j];
    }
    k.push_back(f(t + kNodes[i] * h, next));
  }
  auto error = torch::zeros_like(y);
  for (int i = 0; i < kStages; ++i) error += h * kError[i] * k[i];
  const auto scaled = error / (tolerance * (1 + torch::maximum(y.abs(), next.abs())));
  return {next, k.back(), scaled.square().mean(0).max().sqrt().item<double>()};
}

}  // namespace

torch::Tensor integrate_rk4(const OdeFunction& f, torch::Tensor y, double t0, double t1,
                            int64_t steps) {
  const double h = (t1 - t0) / static_cast<double>(steps);
  for (int64_t i = 0; i < steps; ++i) {
    const double t = t0 + static_cast<double>(i) * h;
    const auto k1 = f(t, y);
    const auto k2 = f(t + h / 2, y + h / 2 * k1);
    const auto k3 = f(t + h / 2, y + h / 2 * k2);
    const auto k4 = f(t + h, y + h * k3);
    y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4);
  }
  return y;
}

torch::Tensor integrate_dopri5(const OdeFunction& f, torch::Tensor y, double t0, double t1,
                               double tolerance) {
  double t = t0;
  double h = (t1 - t0) / 64;
  auto slope = f(t, y);
  for (bool done = false; !done;) {
    done = std::abs(h) >= std::abs(t1 - t);
    if (done) h = t1 - t;
    const auto step = dopri5_step(f, t, h, y, slope, tolerance);
    const bool accepted = step.error <= 1;  // false for NaN
    if (accepted) {
      t += h;
      y = step.y;
      slope = step.slope;
    }
    done = done && accepted;
    const double factor = std::isfinite(step.error) ? 0.9 * std::pow(step.error, -0.2) : 0;
    h *= std::clamp(factor, 0.2, 5.0);
    if (!done && std::abs(h) < 1e-9 * std::abs(t1 - t0)) {
      throw NonFiniteError(fmt::format(
          "dopri5: no step at t = {:.6g} is small enough for a tolerance of {}", t, tolerance));
    }
  }
  return y;
}

}  // namespace halcyon
