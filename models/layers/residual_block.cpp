#include "models/layers/residual_block.h"

#include <torch/torch.h>

namespace halcyon {

static torch::nn::GroupNorm group_norm(const ResidualBlockOptions& options, int64_t channels) {
  return torch::nn::GroupNorm(
      torch::nn::GroupNormOptions(options.norm_groups, channels).eps(options.norm_eps));
}

static torch::nn::Conv2d convolution(int64_t in, int64_t out, int64_t size) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, size).padding(size / 2));
}

ResidualBlock::ResidualBlock(const ResidualBlockOptions& options)
    : scale_shift_(options.scale_shift),
      norm1_(register_module("norm1", group_norm(options, options.in_channels))),
      norm2_(register_module("norm2", group_norm(options, options.out_channels))),
      conv1_(register_module("conv1", convolution(options.in_channels, options.out_channels, 3))),
      conv2_(register_module("conv2", convolution(options.out_channels, options.out_channels, 3))),
      embed_(register_module("embed",
                             torch::nn::Linear(options.embedding_width,
                                               options.out_channels * (scale_shift_ ? 2 : 1)))),
      dropout_(register_module("dropout", std::make_shared<Dropout>(options.dropout))) {
  if (options.in_channels != options.out_channels) {
    shortcut_ =
        register_module("shortcut", convolution(options.in_channels, options.out_channels, 1));
  }
  torch::nn::init::zeros_(conv2_->weight);
  torch::nn::init::zeros_(conv2_->bias);
}

torch::Tensor ResidualBlock::forward(const torch::Tensor& x, const torch::Tensor& embedding) {
  auto h = conv1_->forward(torch::silu(norm1_->forward(x)));
  const auto e = embed_->forward(torch::silu(embedding)).unsqueeze(-1).unsqueeze(-1);
  if (scale_shift_) {
    const auto scale_and_shift = e.chunk(2, 1);
    h = norm2_->forward(h) * (1 + scale_and_shift[0]) + scale_and_shift[1];
  } else {
    h = norm2_->forward(h + e);
  }
  h = conv2_->forward(dropout_->forward(torch::silu(h)));
  return (shortcut_ ? shortcut_->forward(x) : x) + h;
}

}  // namespace halcyon
