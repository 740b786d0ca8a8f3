#pragma once

#include "models/layers/convolution.h"

namespace halcyon {

/// Half the height and width, which must be even: the means of 2x2 pixels, or fir_halved().
torch::Tensor halved(const torch::Tensor& x, bool fir);

/// Twice the height and width: every pixel repeated, or fir_doubled().
torch::Tensor doubled(const torch::Tensor& x, bool fir);

/// Halves height and width, which must be even: a 3x3 convolution of stride 2, after zeros on every
/// side (padding 1) or only a row below and a column to the right (padding 0, as Ho et al. 2020,
/// and TensorFlow's "same", pad).
class Downsample final : public torch::nn::Module {
 public:
  explicit Downsample(int64_t channels, int64_t padding = 0);
  torch::Tensor forward(const torch::Tensor& x);

 private:
  int64_t padding_;
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
