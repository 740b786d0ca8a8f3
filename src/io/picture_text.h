#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace halcyon {

// Text in pictures, in OpenCV's stroke font: ASCII only, and "\n" begins a new line.

constexpr int kPaper = 235;      ///< gray level of the background
constexpr int kInk = 30;         ///< gray level of the text on it
constexpr int64_t kMargin = 10;  ///< between the parts of a picture, in pixels

struct TextSize {
  int64_t width;
  int64_t height;
};
TextSize text_size(const std::string& text);

/// The largest width and the largest height among `texts`.
TextSize text_bounds(const std::vector<std::string>& texts);

enum class TextAlign { left, centre };

/// Draws on a gray canvas [H, W], uint8 and contiguous, with the text's vertical middle at `y`.
/// `x` is its left edge, or its centre.
void draw_text(torch::Tensor& canvas, const std::string& text, int64_t x, int64_t y,
               TextAlign align = TextAlign::left);

}  // namespace halcyon
