#pragma once

#include <torch/types.h>

namespace halcyon {

/// A convolution of images, with zeros around them:
///
///     y = weight * x + bias
///
/// x: [B, C, H, W], weight: [O, C, k, k], bias: [O]; y: [B, O, H', W'].  On the CPU, where the
/// build has oneDNN, it is asked directly, and x and y are in channels-last memory: LibTorch brings
/// weights and their gradients through orders that nobody needs, and takes the gradient of a
/// convolution of 1x1 for less than the matrix product that it is.  For second and forward-mode
/// derivatives, and for all else, it is convolution_composed().
torch::Tensor convolution(const torch::Tensor& x, const torch::Tensor& weight,
                          const torch::Tensor& bias, int64_t stride, int64_t padding);

/// LibTorch's.
torch::Tensor convolution_composed(const torch::Tensor& x, const torch::Tensor& weight,
                                   const torch::Tensor& bias, int64_t stride, int64_t padding);

}  // namespace halcyon
