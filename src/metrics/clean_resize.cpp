#include "metrics/clean_resize.h"

#include <torch/torch.h>

#include <vector>

namespace halcyon {

namespace F = torch::nn::functional;

torch::Tensor clean_resize(const torch::Tensor& pixels, int64_t side) {
  if (pixels.size(2) == side && pixels.size(3) == side) return pixels;
  return F::interpolate(pixels, F::InterpolateFuncOptions()
                                    .size(std::vector<int64_t>{side, side})
                                    .mode(torch::kBicubic)
                                    .align_corners(false)
                                    .antialias(true))
      .clamp_(0, 255);
}

}  // namespace halcyon
