#include "samplers/langevin.h"

#include <fmt/format.h>

#include <cmath>

#include "core/error.h"
#include "core/torch.h"

namespace halcyon {

void check_options(const LangevinOptions& options) {
  if (options.steps_per_level < 1 || !(0 < options.step && options.step < 4)) {
    throw ConfigError(
        fmt::format("sampler.langevin: want steps_per_level >= 1 and 0 < step < 4, got {} and {}",
                    options.steps_per_level, options.step));
  }
}

AnnealedLangevinSampler::AnnealedLangevinSampler(const LangevinOptions& options)
    : options_(options) {
  check_options(options);
}

torch::Tensor AnnealedLangevinSampler::run(Denoiser& denoiser, torch::Tensor x,
                                           const std::vector<double>& sigmas,
                                           NoiseSource& noise) const {
  for (const double sigma : sigmas) {
    if (sigma == 0) break;
    for (int64_t k = 0; k < options_.steps_per_level; ++k) {
      // (alpha / 2) s = (step / 2) (D - x), whatever sigma.
      const auto drift = 0.5 * options_.step * (denoise_at(denoiser, x, sigma) - x);
      x = x + drift + std::sqrt(options_.step) * sigma * noise.normal_like(x);
    }
  }
  return sigmas.back() == 0 ? denoise_at(denoiser, x, sigmas[sigmas.size() - 2]) : x;
}

}  // namespace halcyon
