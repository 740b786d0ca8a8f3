#include "models/layers/resample.h"

#include <torch/torch.h>

namespace halcyon {

using torch::nn::Conv2d;
using torch::nn::Conv2dOptions;

Downsample::Downsample(int64_t channels, int64_t padding)
    : padding_(padding),
      conv_(register_module(
          "conv", Conv2d(Conv2dOptions(channels, channels, 3).stride(2).padding(padding)))) {}

torch::Tensor Downsample::forward(const torch::Tensor& x) {
  return conv_->forward(padding_ > 0 ? x : torch::constant_pad_nd(x, {0, 1, 0, 1}));
}

Upsample::Upsample(int64_t channels)
    : conv_(register_module("conv", Conv2d(Conv2dOptions(channels, channels, 3).padding(1)))) {}

torch::Tensor Upsample::forward(const torch::Tensor& x) {
  return conv_->forward(torch::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)}));
}

}  // namespace halcyon
