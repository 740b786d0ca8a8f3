#include "core/clamped_denoiser.h"

#include <cmath>

#include "core/require.h"
#include "core/torch.h"

namespace halcyon {

ClampedDenoiser::ClampedDenoiser(Denoiser& inner, const ClampOptions& options)
    : inner_(inner), options_(options) {
  require_option(options.limit > 0 && std::isfinite(options.limit), "clamp.limit", "a number > 0",
                 options.limit);
  require_option(0 <= options.quantile && options.quantile < 1, "clamp.quantile",
                 "a number in (0, 1), or 0", options.quantile);
}

torch::Tensor ClampedDenoiser::denoise(const torch::Tensor& x, const torch::Tensor& sigma) {
  const double limit = options_.limit;
  const auto denoised = inner_.denoise(x, sigma);
  if (options_.quantile == 0) return denoised.clamp(-limit, limit);
  const auto size = denoised.flatten(1).to(torch::kFloat64).abs();
  const auto reach = size.quantile(options_.quantile, /*dim=*/1).clamp_min(limit);
  const auto shrink = per_sample(limit / reach, x).to(denoised.scalar_type());
  return (denoised * shrink).clamp(-limit, limit);
}

}  // namespace halcyon
