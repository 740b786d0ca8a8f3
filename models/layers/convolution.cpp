#include "models/layers/convolution.h"

#include "core/layer_tap.h"
#include "core/torch.h"
#include "kernels/convolution.h"

namespace halcyon {

ConvolutionImpl::ConvolutionImpl(int64_t in, int64_t out, int64_t size, int64_t stride,
                                 int64_t padding)
    : Conv2dImpl(torch::nn::Conv2dOptions(in, out, size).stride(stride).padding(padding)),
      stride_(stride),
      padding_(padding) {}

torch::Tensor ConvolutionImpl::forward(const torch::Tensor& x) {
  if (fixed_ && FixedConvolution::takes(x)) return (*fixed_)(x);
  return tapped(
      {weight, bias, x, convolution(x, weight, bias, stride_, padding_), stride_, padding_});
}

void ConvolutionImpl::fix_weights(bool fixed) {
  fixed_ = fixed ? FixedConvolution::make(weight, bias, stride_, padding_) : nullptr;
}

}  // namespace halcyon
