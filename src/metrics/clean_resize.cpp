#include "metrics/clean_resize.h"

#include <torch/nn/functional.h>

#include <vector>

#include "core/torch.h"

namespace halcyon {

namespace F = torch::nn::functional;

torch::Tensor clean_resize(const torch::Tensor& pixels, int64_t side) {
  if (pixels.size(2) == side && pixels.size(3) == side) return pixels;
  // In float64: PIL's weights are, and LibTorch's are typed as the pixels.
  const auto resized =
      F::interpolate(pixels.to(torch::kFloat64), F::InterpolateFuncOptions()
                                                     .size(std::vector<int64_t>{side, side})
                                                     .mode(torch::kBicubic)
                                                     .align_corners(false)
                                                     .antialias(true));
  return resized.clamp(0, 255).to(pixels.scalar_type());
}

}  // namespace halcyon
