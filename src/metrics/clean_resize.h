#pragma once

#include <torch/types.h>

namespace halcyon {

/// Pixels [B, C, H, W] on the scale 0 to 255, float32, resized to side x side as clean-fid does
/// (Parmar et al. 2022), with PIL's bicubic filter of a = -1/2 in floating point: widened by the
/// factor by which the image shrinks, so that nothing aliases, and its weights made to sum to 1
/// where it reaches over the edge.  Then clamped to 0 .. 255, and not rounded.
torch::Tensor clean_resize(const torch::Tensor& pixels, int64_t side);

}  // namespace halcyon
