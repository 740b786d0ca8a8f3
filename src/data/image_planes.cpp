#include "data/image_planes.h"

#include "core/torch.h"

namespace halcyon {

std::vector<cv::Mat> planes_of(const torch::Tensor& image) {
  const int height = static_cast<int>(image.size(1)), width = static_cast<int>(image.size(2));
  auto* pixels = image.data_ptr<uint8_t>();
  std::vector<cv::Mat> planes;
  for (int64_t c = 0; c < image.size(0); ++c, pixels += image.size(1) * image.size(2)) {
    planes.emplace_back(height, width, CV_8UC1, pixels);
  }
  return planes;
}

torch::Tensor image_of(const std::vector<cv::Mat>& planes) {
  const auto image = torch::empty(
      {static_cast<int64_t>(planes.size()), planes[0].rows, planes[0].cols}, torch::kUInt8);
  auto copies = planes_of(image);
  for (size_t c = 0; c < planes.size(); ++c) planes[c].copyTo(copies[c]);
  return image;
}

}  // namespace halcyon
