#include "training/ema.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/torch.h"

namespace halcyon {

Ema::Ema(double halflife, double ramp, const torch::Tensor& values)
    : halflife_images(halflife), rampup(ramp), average(values.clone()) {
  if (!(halflife > 0 && ramp >= 0)) {
    throw ConfigError(fmt::format("ema: want halflife_images > 0 and rampup >= 0, got {} and {}",
                                  halflife, ramp));
  }
}

double Ema::new_share(int64_t batch, int64_t images) const {
  double halflife = halflife_images;
  if (rampup > 0) halflife = std::min(halflife, rampup * static_cast<double>(images));
  return 1 - std::pow(0.5, static_cast<double>(batch) / halflife);
}

void Ema::update(const torch::Tensor& values, int64_t batch, int64_t images) {
  const torch::NoGradGuard no_grad;
  average.lerp_(values, new_share(batch, images));
}

}  // namespace halcyon
