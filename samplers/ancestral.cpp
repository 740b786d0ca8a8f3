#include "samplers/ancestral.h"

#include <torch/torch.h>

#include <cmath>

namespace halcyon {

torch::Tensor DdpmSampler::run(Denoiser& denoiser, torch::Tensor x,
                               const std::vector<double>& sigmas, NoiseSource& noise) const {
  for (size_t i = 0; i + 1 < sigmas.size(); ++i) {
    const auto denoised = denoise_at(denoiser, x, sigmas[i]);
    const double ratio = sigmas[i + 1] / sigmas[i];
    x = denoised + ratio * ratio * (x - denoised);
    if (sigmas[i + 1] > 0) {
      x = x + sigmas[i + 1] * std::sqrt(1 - ratio * ratio) * noise.normal_like(x);
    }
  }
  return x;
}

}  // namespace halcyon
