#include "data/image_fitting.h"

#include <algorithm>
#include <opencv2/imgproc.hpp>

#include "core/torch.h"
#include "data/image_planes.h"
#include "data/index_loop.h"

namespace halcyon {
namespace {

// OpenCV throughout: tensor operators would start their own threads in each thread.
using Planes = std::vector<cv::Mat>;

Planes with_channels(const Planes& planes, int64_t channels) {
  if (channels == 0 || channels == static_cast<int64_t>(planes.size())) return planes;
  if (channels == 3) return {planes[0], planes[0], planes[0]};
  cv::Mat rgb, gray;
  cv::merge(planes, rgb);
  cv::cvtColor(rgb, gray, cv::COLOR_RGB2GRAY);
  return {gray};
}

cv::Mat centre_square(const cv::Mat& plane) {
  const int side = std::min(plane.rows, plane.cols);
  return plane(cv::Rect((plane.cols - side) / 2, (plane.rows - side) / 2, side, side));
}

cv::Mat resized(const cv::Mat& square, int size) {
  if (square.rows == size) return square;
  cv::Mat result;
  const int method = size < square.rows ? cv::INTER_AREA : cv::INTER_CUBIC;
  cv::resize(square, result, {size, size}, 0, 0, method);
  return result;
}

}  // namespace

torch::Tensor fit_image(const torch::Tensor& image, int64_t channels, int64_t size) {
  const auto contiguous = image.contiguous();
  auto planes = planes_of(contiguous);
  if (size > 0) std::transform(planes.begin(), planes.end(), planes.begin(), centre_square);
  planes = with_channels(planes, channels);
  for (auto& plane : planes) {
    if (size > 0) plane = resized(plane, static_cast<int>(size));
  }
  return image_of(planes);
}

torch::Tensor fit_images(const torch::Tensor& images, int64_t channels, int64_t size) {
  const bool channels_fit = channels == 0 || channels == images.size(1);
  const bool size_fits = size == 0 || (images.size(2) == size && images.size(3) == size);
  if (channels_fit && size_fits) return images;

  const auto fitted =
      torch::empty({images.size(0), channels == 0 ? images.size(1) : channels,
                    size == 0 ? images.size(2) : size, size == 0 ? images.size(3) : size},
                   torch::kUInt8);
  const int64_t pixels = fitted[0].numel();
  for_each_index(images.size(0), [&](int64_t i) {
    const auto image = fit_image(images[i], channels, size);
    std::copy_n(image.data_ptr<uint8_t>(), pixels, fitted.data_ptr<uint8_t>() + i * pixels);
  });
  return fitted;
}

}  // namespace halcyon
