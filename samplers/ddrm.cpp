#include "samplers/ddrm.h"

#include <cmath>

#include "core/require.h"
#include "core/torch.h"

namespace halcyon {

DdrmSampler::DdrmSampler(const LinearOperator& measure, torch::Tensor y, double noise,
                         const DdrmOptions& options)
    : measure_(measure), noise_(noise), options_(options), s_(measure.singular_values(y)) {
  require_option(options.eta >= 0 && options.eta <= 1, "ddrm.eta", "a number in [0, 1]",
                 options.eta);
  require_option(options.eta_b >= 0 && options.eta_b <= 1, "ddrm.eta_b", "a number in [0, 1]",
                 options.eta_b);
  const auto w = measure.measured(y);
  w_ = torch::where(s_ > 0, w / s_, torch::zeros_like(w));
}

torch::Tensor DdrmSampler::step(const torch::Tensor& x, const torch::Tensor& denoised,
                                const torch::Tensor& n, double from, double to) const {
  const double kept = to * std::sqrt(1 - options_.eta * options_.eta);
  const auto fresh = options_.eta * to * n;
  const auto lost = denoised + kept / from * (x - denoised) + fresh;
  const auto known = (1 - options_.eta_b) * denoised + options_.eta_b * w_ +
                     (to * to - (options_.eta_b * noise_ / s_).square()).clamp_min(0).sqrt() * n;
  if (noise_ == 0) return torch::where(s_ > 0, known, lost);
  const auto vague = denoised + kept * s_ / noise_ * (w_ - denoised) + fresh;
  const auto measured = torch::where(to * s_ < noise_, vague, known);
  return torch::where(s_ > 0, measured, lost);
}

torch::Tensor DdrmSampler::run(Denoiser& denoiser, torch::Tensor x,
                               const std::vector<double>& sigmas, NoiseSource& noise) const {
  // Where the first level is above S / s, x begins at the measurement.
  const auto v = measure_.to_singular(x);
  const auto spread = (1 - (noise_ / (s_ * sigmas[0])).square()).clamp_min(0).sqrt();
  x = measure_.from_singular(torch::where(s_ * sigmas[0] > noise_, w_ + spread * v, v));
  for (size_t i = 0; i + 1 < sigmas.size(); ++i) {
    const auto denoised = denoise_at(denoiser, x, sigmas[i]);
    const auto n = measure_.to_singular(noise.normal_like(x));
    x = measure_.from_singular(
        step(measure_.to_singular(x), measure_.to_singular(denoised), n, sigmas[i], sigmas[i + 1]));
  }
  return x;
}

}  // namespace halcyon
