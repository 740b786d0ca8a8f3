#include "models/layers/resample.h"

#include "core/torch.h"
#include "models/layers/fir.h"

namespace halcyon {

torch::Tensor halved(const torch::Tensor& x, bool fir) {
  return fir ? fir_halved(x) : torch::avg_pool2d(x, 2);
}

torch::Tensor doubled(const torch::Tensor& x, bool fir) {
  return fir ? fir_doubled(x) : torch::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)});
}

Downsample::Downsample(int64_t channels, int64_t padding)
    : padding_(padding),
      conv_(register_module("conv", Convolution(channels, channels, 3, /*stride=*/2, padding))) {}

torch::Tensor Downsample::forward(const torch::Tensor& x) {
  return conv_->forward(padding_ > 0 ? x : torch::constant_pad_nd(x, {0, 1, 0, 1}));
}

Upsample::Upsample(int64_t channels)
    : conv_(register_module("conv", same_size_convolution(channels, channels, 3))) {}

torch::Tensor Upsample::forward(const torch::Tensor& x) {
  return conv_->forward(doubled(x, /*fir=*/false));
}

}  // namespace halcyon
