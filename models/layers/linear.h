#pragma once

#include <torch/nn/modules/linear.h>

#include "core/layer_tap.h"

namespace halcyon {

/// A fully connected layer that taps can see.
class LinearImpl final : public torch::nn::LinearImpl {
 public:
  using torch::nn::LinearImpl::LinearImpl;

  /// x: [B, in].
  torch::Tensor forward(const torch::Tensor& x) {
    return tapped({weight, bias, x, torch::nn::LinearImpl::forward(x)});
  }
};
TORCH_MODULE(Linear);

}  // namespace halcyon
