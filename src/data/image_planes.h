#pragma once

#include <torch/types.h>

#include <opencv2/core.hpp>
#include <vector>

namespace halcyon {

/// The channels of one uint8 image [C, H, W], contiguous, without copying.
std::vector<cv::Mat> planes_of(const torch::Tensor& image);

/// The uint8 image [C, H, W] of C planes of one size; copied.
torch::Tensor image_of(const std::vector<cv::Mat>& planes);

}  // namespace halcyon
