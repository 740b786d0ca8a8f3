#include "core/calibrated_denoiser.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/torch.h"

namespace halcyon {

CalibratedDenoiser::CalibratedDenoiser(Denoiser& inner, LogSigmaTable multiplier)
    : inner_(inner), multiplier_(std::move(multiplier)) {
  for (const auto& [sigma, value] : multiplier_.points()) {
    if (!(value > 0)) {
      throw ConfigError(fmt::format(
          "score calibration: want a multiplier > 0, got {} at sigma = {}", value, sigma));
    }
  }
}

torch::Tensor CalibratedDenoiser::denoise(const torch::Tensor& x, const torch::Tensor& sigma) {
  return x + per_sample(multiplier_.at(sigma), x) * (inner_.denoise(x, sigma) - x);
}

}  // namespace halcyon
