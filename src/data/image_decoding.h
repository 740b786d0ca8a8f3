#pragma once

#include <torch/types.h>

#include <vector>

namespace halcyon {

/// The pixels in the bytes of one PNG, JPEG, BMP, WebP or TIFF file: uint8 [C, H, W], with C = 1
/// where the file holds gray (with or without alpha), else 3 for RGB.  Alpha is composed over
/// the gray value `background`, 16 bits v become round(v / 257), palettes become RGB, and a
/// JPEG is turned upright as its EXIF orientation says.
/// @throws DataError saying what is wrong with the bytes: empty, truncated, too large, ...
torch::Tensor decode_image(const std::vector<unsigned char>& bytes, int64_t background);

/// True if the bytes begin as one of these formats does.
bool begins_like_image(const std::vector<unsigned char>& bytes);

}  // namespace halcyon
