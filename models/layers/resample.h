#pragma once

#include "models/layers/convolution.h"

namespace halcyon {

/// Halves height and width, which must be even: a 3x3 convolution of stride 2, after a row of
/// zeros below and a column to the right (as Ho et al. 2020, and TensorFlow's "same", pad).
class Downsample final : public torch::nn::Module {
 public:
  explicit Downsample(int64_t channels);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  Convolution conv_;
};

/// Doubles height and width: nearest neighbour, then a 3x3 convolution.
class Upsample final : public torch::nn::Module {
 public:
  explicit Upsample(int64_t channels);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  Convolution conv_;
};

}  // namespace halcyon
