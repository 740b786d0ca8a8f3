#include "samplers/kinetic_langevin.h"

#include <fmt/format.h>

#include <cmath>

#include "core/error.h"
#include "core/torch.h"

namespace halcyon {

KineticLangevinSampler::KineticLangevinSampler(const KineticOptions& options) : options_(options) {
  if (!(0 < options.step && options.step < 2) || !(options.friction > 0) ||
      !std::isfinite(options.friction) || options.steps_per_level < 1) {
    throw ConfigError(fmt::format(
        "sampler.kinetic: want 0 < step < 2, friction > 0 and steps_per_level >= 1, got {}, {} "
        "and {}",
        options.step, options.friction, options.steps_per_level));
  }
}

torch::Tensor KineticLangevinSampler::run(Denoiser& denoiser, torch::Tensor x,
                                          const std::vector<double>& sigmas,
                                          NoiseSource& noise) const {
  const double half = 0.5 * options_.step;
  const double kept = std::exp(-options_.friction * options_.step);
  const double fresh = std::sqrt(1 - kept * kept);
  auto v = noise.normal_like(x);
  for (const double sigma : sigmas) {
    if (sigma == 0) break;
    const auto push = [&] { return half * (denoise_at(denoiser, x, sigma) - x) / sigma; };
    auto pushed = push();
    for (int64_t k = 0; k < options_.steps_per_level; ++k) {
      v = v + pushed;
      x = x + half * sigma * v;
      v = kept * v + fresh * noise.normal_like(x);
      x = x + half * sigma * v;
      pushed = push();
      v = v + pushed;
    }
  }
  return sigmas.back() == 0 ? denoise_at(denoiser, x, sigmas[sigmas.size() - 2]) : x;
}

}  // namespace halcyon
