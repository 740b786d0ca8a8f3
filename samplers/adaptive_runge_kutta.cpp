#include "samplers/adaptive_runge_kutta.h"

#include <cmath>

#include "core/require.h"
#include "core/runge_kutta.h"
#include "core/torch.h"

namespace halcyon {

Dopri5Sampler::Dopri5Sampler(const AdaptiveStepOptions& options) : tolerance_(options.tolerance) {
  require_option(0 < tolerance_ && tolerance_ < 1, "sampler.ode.tolerance", "a number in (0, 1)",
                 tolerance_);
}

torch::Tensor Dopri5Sampler::run(Denoiser& denoiser, torch::Tensor x,
                                 const std::vector<double>& sigmas, NoiseSource&) const {
  const bool to_zero = sigmas.back() == 0;
  const double last = to_zero ? sigmas[sigmas.size() - 2] : sigmas.back();
  if (last < sigmas.front()) {
    const auto slope = [&](double log_sigma, const torch::Tensor& y) {
      const auto denoised = denoise_at(denoiser, y.view_as(x).to(x.dtype()), std::exp(log_sigma));
      return y - denoised.flatten(1).to(torch::kFloat64);
    };
    const auto y = integrate_dopri5(slope, x.flatten(1).to(torch::kFloat64),
                                    std::log(sigmas.front()), std::log(last), tolerance_);
    x = y.view_as(x).to(x.dtype());
  }
  return to_zero ? denoise_at(denoiser, x, last) : x;
}

}  // namespace halcyon
