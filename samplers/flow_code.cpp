#include "samplers/flow_code.h"

#include <algorithm>
#include <cmath>

#include "core/require.h"
#include "core/runge_kutta.h"
#include "core/torch.h"
#include "samplers/sampler.h"

namespace halcyon {

FlowCode::FlowCode(double sigma_min, double sigma_max, double tolerance)
    : sigma_min_(sigma_min), sigma_max_(sigma_max), tolerance_(tolerance) {
  require_option(0 < sigma_min && sigma_min < sigma_max && std::isfinite(sigma_max), "--sigma_min",
                 fmt::format("a number > 0 below sigma_max, {}", sigma_max).c_str(), sigma_min);
  require_option(0 < tolerance && tolerance < 1, "--tolerance", "a number in (0, 1)", tolerance);
}

torch::Tensor FlowCode::flow(Denoiser& denoiser, const torch::Tensor& x, double from,
                             double to) const {
  const torch::NoGradGuard no_grad;
  const auto slope = [&](double log_sigma, const torch::Tensor& y) {
    const auto denoised = denoise_at(denoiser, y.view_as(x).to(x.dtype()), std::exp(log_sigma));
    return y - denoised.flatten(1).to(torch::kFloat64);
  };
  return integrate_dopri5(slope, x.flatten(1).to(torch::kFloat64), std::log(from), std::log(to),
                          tolerance_)
      .view_as(x)
      .to(x.dtype());
}

torch::Tensor FlowCode::encode(Denoiser& denoiser, const torch::Tensor& images) const {
  return flow(denoiser, images, sigma_min_, sigma_max_) / sigma_max_;
}

torch::Tensor FlowCode::decode(Denoiser& denoiser, const torch::Tensor& codes) const {
  return flow(denoiser, codes * sigma_max_, sigma_max_, sigma_min_);
}

torch::Tensor slerp(const torch::Tensor& a, const torch::Tensor& b, double t) {
  const double cosine = ((a * b).sum() / (a.norm() * b.norm())).item<double>();
  const double theta = std::acos(std::clamp(cosine, -1.0, 1.0));
  const double sine = std::sin(theta);
  if (!(sine > 1e-6)) return (1 - t) * a + t * b;  // one direction: the arc is the line
  return (std::sin((1 - t) * theta) * a + std::sin(t * theta) * b) / sine;
}

}  // namespace halcyon
