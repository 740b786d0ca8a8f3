#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace halcyon {

// Pictures are uint8 tensors on any device, RGB or gray.  Of other channel counts the first three
// (the first one, if there are two) are shown.

/// The PNG file of one picture [C, H, W].
std::string png_bytes(const torch::Tensor& image);

/// Writes one picture [C, H, W] as PNG, atomically.  @throws FileError
void write_png(const std::string& path, const torch::Tensor& image);

/// The pixels that write_png() wrote: uint8 [C, H, W], gray or RGB.  @throws FileError if the file
/// cannot be read or is no picture
torch::Tensor read_png_pixels(const std::string& path);

/// Images [N, C, H, W] side by side, row by row, as one picture.  `scale` repeats every pixel,
/// so that small images can be looked at; `padding` is the gap around the images, in its pixels.
torch::Tensor image_grid(const torch::Tensor& images, int64_t columns, int64_t padding = 2,
                         int64_t scale = 1);

struct LabelledRow {
  std::string label;
  torch::Tensor images;  // [N, C, H, W]; the same N, H and W in every row
};

/// A picture of rows with their label at the left and a caption above each of the N columns: clean,
/// noisy and denoised images over noise levels, say.  ASCII only, and "\n" begins a new line.
/// Result: [3, H, W].
torch::Tensor labelled_rows(const std::vector<LabelledRow>& rows,
                            const std::vector<std::string>& captions, int64_t scale = 1);

/// The bytes of a PNG file, or of a smaller picture of it if it is wider than `widest` pixels.
/// @throws FileError if it cannot be read or is no picture
std::string read_png(const std::string& path, int64_t widest);

}  // namespace halcyon
