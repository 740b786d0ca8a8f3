#include "samplers/repaint.h"

#include <algorithm>
#include <cmath>

#include "core/require.h"
#include "core/torch.h"

namespace halcyon {

RepaintSampler::RepaintSampler(const LinearOperator& measure, const torch::Tensor& y, double noise,
                               const RepaintOptions& options)
    : noise_(noise), options_(options) {
  if (!measure.is_mask()) {
    throw ConfigError(
        "--method: repaint puts seen pixels in and wants --task inpaint; for other tasks want "
        "pigdm, dps or ddrm");
  }
  require_option(options.resamplings > 0, "repaint.resamplings", "a whole number > 0",
                 options.resamplings);
  require_option(options.jump > 0, "repaint.jump", "a whole number > 0", options.jump);
  seen_ = measure.from_singular(measure.singular_values(y).unsqueeze(0)) > 0;
  y_ = measure.transpose(y);
}

torch::Tensor RepaintSampler::with_seen(const torch::Tensor& x, double u,
                                        const torch::Tensor& n) const {
  if (u < noise_) return x;
  return torch::where(seen_, y_ + std::sqrt(u * u - noise_ * noise_) * n, x);
}

torch::Tensor RepaintSampler::step(Denoiser& denoiser, const torch::Tensor& x, double from,
                                   double to, NoiseSource& noise) const {
  const auto denoised = denoise_at(denoiser, x, from);
  const double ratio = to * to / (from * from);
  const auto mean = denoised + ratio * (x - denoised);
  const auto n = noise.normal_like(x);
  return with_seen(mean + to * std::sqrt(1 - ratio) * n, to, n);
}

torch::Tensor RepaintSampler::run(Denoiser& denoiser, torch::Tensor x,
                                  const std::vector<double>& sigmas, NoiseSource& noise) const {
  x = with_seen(x, sigmas[0], x / sigmas[0]);
  const auto stretch = static_cast<size_t>(options_.jump);
  for (size_t begin = 0; begin + 1 < sigmas.size(); begin += stretch) {
    const size_t end = std::min(begin + stretch, sigmas.size() - 1);
    // Below S nothing is put in any more, and another walk would only forget the measurement.
    const int64_t walks = sigmas[end] < noise_ ? 1 : options_.resamplings;
    for (int64_t walk = 0; walk < walks; ++walk) {
      if (walk > 0) {
        const double up = std::sqrt(sigmas[begin] * sigmas[begin] - sigmas[end] * sigmas[end]);
        x = x + up * noise.normal_like(x);
      }
      for (size_t i = begin; i < end; ++i) {
        x = step(denoiser, x, sigmas[i], sigmas[i + 1], noise);
      }
    }
  }
  return x;
}

}  // namespace halcyon
