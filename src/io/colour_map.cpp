#include "io/colour_map.h"

#include <algorithm>
#include <opencv2/imgproc.hpp>

#include "core/torch.h"
#include "io/picture_text.h"

namespace halcyon {
namespace {

constexpr int kNotANumber = 128;
constexpr int64_t kBarWidth = 16;
constexpr int64_t kTickLength = 4;

/// The colours of a map from its low to its high end, red first: uint8 [256, 3].
torch::Tensor colour_table(ColourMap colours) {
  auto ramp = torch::arange(256, torch::kUInt8);
  const cv::Mat values(256, 1, CV_8UC1, ramp.data_ptr());
  cv::Mat bgr;
  cv::applyColorMap(values, bgr,
                    colours == ColourMap::viridis ? cv::COLORMAP_VIRIDIS : cv::COLORMAP_INFERNO);
  return torch::from_blob(bgr.data, {256, 3}, torch::kUInt8).flip(1).contiguous();
}

/// 0 at the low and 1 at the high end, clamped; NaN stays: [N, H, W] on the CPU.
torch::Tensor fractions(const torch::Tensor& maps, const ColourScale& scale) {
  TORCH_CHECK(maps.dim() == 4 && scale.low < scale.high,
              "a heat map wants maps [N, C, H, W] and low < high, got ", maps.sizes(), ", ",
              scale.low, " and ", scale.high);
  const auto mean = maps.to(torch::kCPU, torch::kFloat64).mean(1);
  return ((mean - scale.low) / (scale.high - scale.low)).clamp(0, 1);
}

/// uint8 [N, 3, H, W] of fractions [N, H, W].
torch::Tensor coloured(const torch::Tensor& fraction, ColourMap colours) {
  const auto known = fraction.isfinite();
  const auto index = torch::where(known, fraction * 255, torch::zeros_like(fraction)).round();
  const auto table = colour_table(colours);
  const auto pixels = table.index({index.to(torch::kInt64)}).permute({0, 3, 1, 2}).contiguous();
  return torch::where(known.unsqueeze(1), pixels, torch::full_like(pixels, kNotANumber));
}

/// `text` running upwards, centred on a gray strip [height, its own height].
torch::Tensor upright(const std::string& text, int64_t height) {
  const auto size = text_size(text);
  auto strip =
      torch::full({size.height + 2 * kMargin, std::max(height, size.width)}, kPaper, torch::kUInt8);
  draw_text(strip, text, strip.size(1) / 2, strip.size(0) / 2, TextAlign::centre);
  const auto surplus = strip.size(1) - height;
  return strip.narrow(1, surplus / 2, height).rot90(1, {0, 1});
}

}  // namespace

torch::Tensor heat_map(const torch::Tensor& maps, const ColourScale& scale) {
  return coloured(fractions(maps, scale), scale.colours);
}

torch::Tensor heat_overlay(const torch::Tensor& maps, const torch::Tensor& images,
                           const ColourScale& scale) {
  constexpr double kCover = 0.85;    // of the colour at the high end
  constexpr double kDimming = 0.65;  // of the image, so that colours stand out on white
  TORCH_CHECK(images.dim() == 4 && images.scalar_type() == torch::kUInt8 &&
                  images.size(0) == maps.size(0) &&
                  images.sizes().slice(2) == maps.sizes().slice(2),
              "heat_overlay wants uint8 images of the size of the maps ", maps.sizes(), ", got ",
              images.scalar_type(), " ", images.sizes());
  const auto fraction = fractions(maps, scale);
  const auto gray = kDimming * images.cpu().to(torch::kFloat64).mean(1, /*keepdim=*/true);
  const auto cover = kCover * fraction.nan_to_num(0).unsqueeze(1);
  return ((1 - cover) * gray + cover * coloured(fraction, scale.colours)).round().to(torch::kUInt8);
}

torch::Tensor with_colour_bar(const torch::Tensor& picture, ColourMap colours,
                              const std::vector<std::string>& ticks, const std::string& label) {
  TORCH_CHECK(picture.dim() == 3 && picture.size(0) == 3 && ticks.size() > 1,
              "with_colour_bar wants a picture [3, H, W] and 2 ticks or more, got ",
              picture.sizes(), " and ", ticks.size());
  const auto height = picture.size(1);
  const auto line = text_bounds(ticks);
  const auto top = kMargin + line.height / 2;
  const auto length = std::max<int64_t>(height - 2 * top, 1);

  auto text = torch::full({height, kBarWidth + kTickLength + 4 + line.width + kMargin}, kPaper,
                          torch::kUInt8);
  for (size_t k = 0; k < ticks.size(); ++k) {
    const auto up = (length - 1) * static_cast<int64_t>(k) / static_cast<int64_t>(ticks.size() - 1);
    const auto y = top + length - 1 - up;
    text[y].narrow(0, kBarWidth, kTickLength).fill_(kInk);
    draw_text(text, ticks[k], kBarWidth + kTickLength + 4, y);
  }
  auto bar = text.expand({3, -1, -1}).contiguous();
  const auto ramp = torch::linspace(1, 0, length, torch::kFloat64).view({1, length, 1});
  bar.narrow(1, top, length)
      .narrow(2, 0, kBarWidth)
      .copy_(coloured(ramp.expand({1, length, kBarWidth}), colours)[0]);
  return torch::cat({picture.cpu(), bar, upright(label, height).expand({3, -1, -1})}, 2);
}

}  // namespace halcyon
