#pragma once

#include <torch/types.h>

namespace halcyon {

/// A convolution of images, with zeros around them:
///
///     y = weight * x + bias
///
/// x: [B, C, H, W], weight: [O, C, k, k], bias: [O]; returns y: [B, O, H', W'].  On the CPU, where
/// the build has oneDNN, it is asked directly, and y is in channels-last memory: what LibTorch does
/// around it, bringing weights and their gradients from order to order, costs time.  For second and
/// forward-mode derivatives, and for all else, it is convolution_composed().
torch::Tensor convolution(const torch::Tensor& x, const torch::Tensor& weight,
                          const torch::Tensor& bias, int64_t stride, int64_t padding);

/// LibTorch's.
torch::Tensor convolution_composed(const torch::Tensor& x, const torch::Tensor& weight,
                                   const torch::Tensor& bias, int64_t stride, int64_t padding);

}  // namespace halcyon
