#include "data/image_fitting.h"

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <algorithm>
#include <opencv2/imgproc.hpp>

namespace halcyon {
namespace {

torch::Tensor with_channels(const torch::Tensor& image, int64_t channels) {
  if (channels == 0 || channels == image.size(0)) return image;
  if (channels == 3) return image.expand({3, -1, -1}).contiguous();
  const auto weights = torch::tensor({0.299F, 0.587F, 0.114F}).view({3, 1, 1});
  return (image * weights).sum(0, /*keepdim=*/true).round_().to(torch::kUInt8);
}

torch::Tensor resized(const torch::Tensor& square, int64_t size) {
  const auto from = square.contiguous();
  const auto to = torch::empty({from.size(0), size, size}, torch::kUInt8);
  const int from_side = static_cast<int>(from.size(1));
  const int to_side = static_cast<int>(size);
  const int method = to_side < from_side ? cv::INTER_AREA : cv::INTER_CUBIC;
  for (int64_t c = 0; c < from.size(0); ++c) {
    const cv::Mat source(from_side, from_side, CV_8UC1, from[c].data_ptr());
    cv::Mat target(to_side, to_side, CV_8UC1, to[c].data_ptr());
    cv::resize(source, target, target.size(), 0, 0, method);
  }
  return to;
}

}  // namespace

torch::Tensor fit_image(const torch::Tensor& image, int64_t channels, int64_t size) {
  const auto height = image.size(1), width = image.size(2);
  if (size == 0 || (height == size && width == size)) return with_channels(image, channels);
  const auto side = std::min(height, width);
  const auto square =
      image.narrow(1, (height - side) / 2, side).narrow(2, (width - side) / 2, side);
  const auto deep = with_channels(square, channels);
  return side == size ? deep.contiguous() : resized(deep, size);
}

torch::Tensor fit_images(const torch::Tensor& images, int64_t channels, int64_t size) {
  const bool channels_fit = channels == 0 || channels == images.size(1);
  const bool size_fits = size == 0 || (images.size(2) == size && images.size(3) == size);
  if (channels_fit && size_fits) return images;

  const auto fitted =
      torch::empty({images.size(0), channels == 0 ? images.size(1) : channels,
                    size == 0 ? images.size(2) : size, size == 0 ? images.size(3) : size},
                   torch::kUInt8);
  at::parallel_for(0, images.size(0), /*grain_size=*/64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) fitted[i].copy_(fit_image(images[i], channels, size));
  });
  return fitted;
}

}  // namespace halcyon
