#pragma once

#include <torch/types.h>

namespace halcyon {

/// One image, uint8 [C, H, W] with C = 1 or 3, made `channels` deep and size x size; 0 keeps
/// what is there.  Gray from RGB is the luma 0.299 R + 0.587 G + 0.114 B, RGB from gray three
/// copies.  For the size, the centre square is cut out and resized: by area averaging when it
/// shrinks, bicubic when it grows.
torch::Tensor fit_image(const torch::Tensor& image, int64_t channels, int64_t size);

/// The same for every image of uint8 [N, C, H, W].
torch::Tensor fit_images(const torch::Tensor& images, int64_t channels, int64_t size);

}  // namespace halcyon
