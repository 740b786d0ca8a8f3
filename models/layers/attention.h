#pragma once

#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

#include <memory>

#include "kernels/fixed_convolution.h"

namespace halcyon {

struct AttentionOptions {
  int64_t channels = 128;
  int64_t heads = 1;         // divides channels
  int64_t norm_groups = 32;  // 0: no norm
  double norm_eps = 1e-6;
  double rescale = 1;  // the sum is divided by it
};

/// Self-attention over the pixels of an image, on a residual branch that starts at zero:
///
///     x + out(softmax(q k^T / sqrt(d)) v),  (q, k, v) = linear maps of norm(x),  d = channels /
///     heads
///
/// (Vaswani et al. 2017, as Ho et al. 2020 use it.)  Has derivatives of every order and in forward
/// mode.  Memory: B heads (H W)^2.
class Attention final : public torch::nn::Module {
 public:
  explicit Attention(const AttentionOptions& options);

  /// x: [B, channels, H, W]; the result likewise.
  torch::Tensor forward(const torch::Tensor& x);

  /// Weights and biases of the linear maps: what is typed as x; the norm is not.
  std::vector<torch::Tensor> maps() const;

  /// As ConvolutionImpl::fix_weights().
  void fix_weights(bool fixed);

 private:
  /// A linear map of the numbers of every pixel.
  struct PixelMap {
    torch::nn::Linear linear;
    std::unique_ptr<FixedConvolution> fixed = nullptr;

    torch::Tensor weight() const { return linear->weight.unsqueeze(-1).unsqueeze(-1); }
    torch::Tensor operator()(const torch::Tensor& x) const;
  };

  PixelMap make_map(const char* name, int64_t channels);
  torch::Tensor split_heads(const torch::Tensor& x) const;
  torch::Tensor join_heads(const torch::Tensor& tokens, const torch::Tensor& like) const;

  int64_t heads_;
  double rescale_;
  torch::nn::GroupNorm norm_;  // or none
  PixelMap query_, key_, value_, out_;
};

}  // namespace halcyon
