#include "io/image_grid.h"

#include <fmt/format.h>

#include <algorithm>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "core/error.h"
#include "io/atomic_file.h"
#include "io/picture_text.h"

namespace halcyon {
namespace {

/// On the CPU, with 1 or 3 channels, every pixel repeated.
torch::Tensor prepared(const torch::Tensor& images, int64_t scale) {
  TORCH_CHECK(
      images.dim() == 4 && images.scalar_type() == torch::kUInt8 && images.numel() > 0 && scale > 0,
      "wanted uint8 images [N, C, H, W], got ", images.scalar_type(), " ", images.sizes());
  const auto shown = images.cpu().narrow(1, 0, images.size(1) < 3 ? 1 : 3);
  return shown.repeat_interleave(scale, 2).repeat_interleave(scale, 3);
}

void paste(torch::Tensor& canvas, const torch::Tensor& image, int64_t top, int64_t left) {
  canvas.narrow(1, top, image.size(1)).narrow(2, left, image.size(2)).copy_(image);
}

}  // namespace

std::string png_bytes(const torch::Tensor& image) {
  const auto shown = prepared(image.unsqueeze(0), /*scale=*/1)[0];
  const auto pixels = shown.flip(0).permute({1, 2, 0}).contiguous();  // OpenCV wants BGR
  const cv::Mat mat(static_cast<int>(pixels.size(0)), static_cast<int>(pixels.size(1)),
                    pixels.size(2) == 1 ? CV_8UC1 : CV_8UC3, pixels.data_ptr());
  std::vector<unsigned char> png;
  cv::imencode(".png", mat, png);
  return {png.begin(), png.end()};
}

void write_png(const std::string& path, const torch::Tensor& image) {
  std::string png;
  try {
    png = png_bytes(image);
  } catch (const cv::Exception& error) {
    throw FileError(fmt::format("cannot write {} as PNG: {}", path, error.what()));
  }
  write_file_atomically(path, png, Durability::process);
}

torch::Tensor read_png_pixels(const std::string& path) {
  auto bytes = read_file(path);
  const cv::Mat encoded(1, static_cast<int>(bytes.size()), CV_8UC1, bytes.data());
  const auto picture = bytes.empty() ? cv::Mat() : cv::imdecode(encoded, cv::IMREAD_UNCHANGED);
  if (picture.empty() || picture.depth() != CV_8U) {
    throw FileError(fmt::format("{} is not a PNG picture of 8 bits", path));
  }
  const auto pixels = torch::from_blob(
      picture.data, {picture.rows, picture.cols, picture.channels()}, torch::kUInt8);
  return pixels.permute({2, 0, 1}).flip(0).contiguous();  // OpenCV gives BGR
}

torch::Tensor image_grid(const torch::Tensor& images, int64_t columns, int64_t padding,
                         int64_t scale) {
  TORCH_CHECK(columns > 0 && padding >= 0, "image_grid wants columns > 0 and padding >= 0");
  const auto shown = prepared(images, scale);
  const auto count = shown.size(0);
  columns = std::min(columns, count);
  const auto rows = (count + columns - 1) / columns;
  const auto height = shown.size(2) + padding, width = shown.size(3) + padding;
  auto grid = torch::full({shown.size(1), padding + rows * height, padding + columns * width},
                          kPaper, torch::kUInt8);
  for (int64_t i = 0; i < count; ++i) {
    paste(grid, shown[i], padding + i / columns * height, padding + i % columns * width);
  }
  return grid;
}

torch::Tensor labelled_rows(const std::vector<LabelledRow>& rows,
                            const std::vector<std::string>& captions, int64_t scale) {
  TORCH_CHECK(!rows.empty(), "labelled_rows wants a row");
  std::vector<torch::Tensor> shown;
  std::vector<std::string> labels;
  for (const auto& row : rows) {
    shown.push_back(prepared(row.images, scale));
    labels.push_back(row.label);
    TORCH_CHECK(shown.back().size(0) == static_cast<int64_t>(captions.size()) &&
                    shown.back().sizes().slice(2) == shown[0].sizes().slice(2),
                "row ", row.label, " has images ", row.images.sizes(), " under ", captions.size(),
                " captions");
  }
  const auto cell_height = shown[0].size(2), cell_width = shown[0].size(3);
  const auto caption_bounds = text_bounds(captions);
  const auto column_width = std::max(cell_width, caption_bounds.width) + kMargin;
  const auto left = text_bounds(labels).width + 2 * kMargin;
  const auto top = 2 * kMargin + caption_bounds.height;
  const auto row_height = cell_height + kMargin;
  const auto columns = static_cast<int64_t>(captions.size());
  const auto count = static_cast<int64_t>(rows.size());

  auto text =
      torch::full({top + count * row_height, left + columns * column_width}, kPaper, torch::kUInt8);
  for (int64_t j = 0; j < columns; ++j) {
    draw_text(text, captions[static_cast<size_t>(j)],
              left + j * column_width + (column_width - kMargin) / 2, top / 2, TextAlign::centre);
  }
  for (int64_t i = 0; i < count; ++i) {
    draw_text(text, labels[static_cast<size_t>(i)], kMargin,
              top + i * row_height + cell_height / 2);
  }
  auto picture = text.expand({3, -1, -1}).contiguous();
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      paste(picture, shown[static_cast<size_t>(i)][j], top + i * row_height,
            left + j * column_width + (column_width - kMargin - cell_width) / 2);
    }
  }
  return picture;
}

std::string read_png(const std::string& path, int64_t widest) {
  auto bytes = read_file(path);
  const cv::Mat encoded(1, static_cast<int>(bytes.size()), CV_8UC1, bytes.data());
  cv::Mat picture;
  if (bytes.rfind("\x89PNG", 0) == 0) picture = cv::imdecode(encoded, cv::IMREAD_COLOR);
  if (picture.empty()) throw FileError(fmt::format("{} is not a PNG picture", path));
  if (picture.cols <= widest) return bytes;
  const double scale = static_cast<double>(widest) / picture.cols;
  cv::resize(picture, picture, cv::Size(), scale, scale, cv::INTER_AREA);
  std::vector<uchar> smaller;
  cv::imencode(".png", picture, smaller);
  return {smaller.begin(), smaller.end()};
}

}  // namespace halcyon
