#pragma once

#include <torch/nn/modules/normalization.h>

#include "models/layers/convolution.h"
#include "models/layers/dropout.h"
#include "models/layers/linear.h"

namespace halcyon {

/// A change of resolution inside a residual block.
enum class Resample { none, down, up };

struct ResidualBlockOptions {
  int64_t in_channels = 128;
  int64_t out_channels = 128;
  int64_t embedding_width = 512;
  int64_t norm_groups = 32;  // divides both channel counts
  double norm_eps = 1e-6;
  double dropout = 0.0;
  bool scale_shift = false;
  Resample resample = Resample::none;
  int64_t norm_groups_out = 0;  // of the second norm; 0: norm_groups
  bool fir = false;             // how it resamples
  double rescale = 1;           // the sum is divided by it
};

/// The residual block of Ho et al. 2020, on a branch that starts at zero:
///
///     h = conv1(silu(norm1(x))) + e,  e = embed(silu(embedding)), the same at every pixel
///     shortcut(x) + conv2(dropout(silu(norm2(h))))
///
/// With scale_shift, e instead acts after the norm: norm2(h) (1 + scale) + shift, where
/// [scale, shift] = e (Nichol and Dhariwal 2021).  The shortcut is a 1x1 convolution where the
/// channel count changes, else the identity.  With resample, what comes to conv1 and to the
/// shortcut is halved, to the means of 2x2 pixels, or doubled, each pixel repeated (Brock et al.
/// 2019).  With fir both are by a filter, and the shortcut of a block that resamples is always a
/// convolution; with rescale = sqrt(2) a sum of two alike has the variance of each (Song et al.
/// 2021, NCSN++).
class ResidualBlock final : public torch::nn::Module {
 public:
  explicit ResidualBlock(const ResidualBlockOptions& options);

  /// x: [B, in_channels, H, W]; embedding: [B or 1, embedding_width].
  /// Returns [B, out_channels, H, W], or half or twice the height and width.
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& embedding);

 private:
  torch::Tensor resampled(const torch::Tensor& x) const;

  bool scale_shift_, fir_;
  Resample resample_;
  double rescale_;
  torch::nn::GroupNorm norm1_, norm2_;
  Convolution conv1_, conv2_;
  Linear embed_;
  std::shared_ptr<Dropout> dropout_;
  Convolution shortcut_{nullptr};
};

}  // namespace halcyon
