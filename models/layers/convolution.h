#pragma once

#include <torch/nn/modules/conv.h>

#include <memory>

#include "kernels/fixed_convolution.h"

namespace halcyon {

/// A convolution that can be told that its weights stay as they are.
class ConvolutionImpl final : public torch::nn::Conv2dImpl {
 public:
  ConvolutionImpl(int64_t in, int64_t out, int64_t size, int64_t stride, int64_t padding);

  torch::Tensor forward(const torch::Tensor& x);

  /// From now on evaluations without gradients take the present weights, laid out once; until it
  /// is called with false.
  void fix_weights(bool fixed);

 private:
  int64_t stride_, padding_;
  std::unique_ptr<FixedConvolution> fixed_;
};
TORCH_MODULE(Convolution);

/// Of side `size`, odd, that keeps height and width.
inline Convolution same_size_convolution(int64_t in, int64_t out, int64_t size) {
  return Convolution(in, out, size, /*stride=*/1, /*padding=*/size / 2);
}

}  // namespace halcyon
