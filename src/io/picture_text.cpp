#include "io/picture_text.h"

#include <algorithm>
#include <opencv2/imgproc.hpp>
#include <sstream>

namespace halcyon {
namespace {

constexpr int kFont = cv::FONT_HERSHEY_SIMPLEX;
constexpr double kFontScale = 0.5;
constexpr int64_t kLineGap = 8;

cv::Size line_size(const std::string& line) {
  int baseline = 0;
  return cv::getTextSize(line, kFont, kFontScale, /*thickness=*/1, &baseline);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TextSize text_size(const std::string& text) {
  TextSize size = {0, 0};
  for (const auto& line : lines_of(text)) {
    const auto extent = line_size(line);
    size.width = std::max<int64_t>(size.width, extent.width);
    size.height += extent.height + (size.height > 0 ? kLineGap : 0);
  }
  return size;
}

TextSize text_bounds(const std::vector<std::string>& texts) {
  TextSize bounds = {0, 0};
  for (const auto& text : texts) {
    const auto size = text_size(text);
    bounds = {std::max(bounds.width, size.width), std::max(bounds.height, size.height)};
  }
  return bounds;
}

void draw_text(torch::Tensor& canvas, const std::string& text, int64_t x, int64_t y,
               TextAlign align) {
  TORCH_CHECK(canvas.dim() == 2 && canvas.is_contiguous(), "draw_text wants a canvas [H, W], got ",
              canvas.sizes());
  cv::Mat mat(static_cast<int>(canvas.size(0)), static_cast<int>(canvas.size(1)), CV_8UC1,
              canvas.data_ptr());
  auto top = y - text_size(text).height / 2;
  for (const auto& line : lines_of(text)) {
    const auto extent = line_size(line);
    const auto left = align == TextAlign::left ? x : x - extent.width / 2;
    const cv::Point origin(static_cast<int>(left), static_cast<int>(top) + extent.height);
    cv::putText(mat, line, origin, kFont, kFontScale, cv::Scalar(kInk), /*thickness=*/1,
                cv::LINE_AA);
    top += extent.height + kLineGap;
  }
}

}  // namespace halcyon
