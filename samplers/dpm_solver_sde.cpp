#include "samplers/dpm_solver_sde.h"

#include <fmt/format.h>

#include <cmath>
#include <deque>

#include "core/error.h"
#include "core/torch.h"

namespace halcyon {
namespace {

struct Past {
  double lambda;
  torch::Tensor denoised;
};

/// What the change of D adds on the way from lambda to lambda + h.  `past` holds as many as the
/// order, the newest first.
torch::Tensor change(const std::deque<Past>& past, int order, double h, double k) {
  const auto& now = past[0];
  const auto slope = [&](size_t i, size_t j) {
    return (past[i].denoised - past[j].denoised) * (h / (past[i].lambda - past[j].lambda));
  };
  if (past.size() == 1) return torch::zeros_like(now.denoised);
  const auto recent = slope(0, 1);
  if (order == 2) return -0.5 * std::expm1(-k) * recent;  // phi2 to the order that it needs
  const double phi2 = std::expm1(-k) / k + 1;
  if (past.size() == 2) return phi2 * recent;
  // The parabola D + first v / h + curvature (v / h)^2 through three points, integrated against
  // k exp(-k (1 - v / h)).  Widespread code has half of the last term, which leaves order 2.
  const auto earlier = slope(1, 2);
  const double r0 = (now.lambda - past[1].lambda) / h;
  const double r1 = (past[1].lambda - past[2].lambda) / h;
  const auto curvature = (recent - earlier) / (r0 + r1);
  const auto first = recent + r0 * curvature;
  const double phi3 = phi2 / k - 0.5;
  return phi2 * first - 2 * phi3 * curvature;
}

}  // namespace

DpmSolverSdeSampler::DpmSolverSdeSampler(int order, double eta) : order_(order), eta_(eta) {
  if (!(eta >= 0) || !std::isfinite(eta)) {
    throw ConfigError(fmt::format("sampler.sde: want eta >= 0, got {}", eta));
  }
}

torch::Tensor DpmSolverSdeSampler::run(Denoiser& denoiser, torch::Tensor x,
                                       const std::vector<double>& sigmas,
                                       NoiseSource& noise) const {
  std::deque<Past> past;
  for (size_t i = 0; i + 1 < sigmas.size(); ++i) {
    const double u = sigmas[i + 1];
    past.push_front({-std::log(sigmas[i]), denoise_at(denoiser, x, sigmas[i])});
    if (past.size() > static_cast<size_t>(order_)) past.pop_back();
    const auto& denoised = past[0].denoised;
    if (u == 0) return denoised;
    const double h = std::log(sigmas[i] / u);
    const double k = (1 + eta_) * h;
    x = denoised + std::exp(-k) * (x - denoised) + change(past, order_, h, k);
    const double spread = u * std::sqrt(-std::expm1(-2 * eta_ * h));
    if (spread > 0) x = x + spread * noise.normal_between(x, sigmas[i], u);
  }
  return x;
}

}  // namespace halcyon
