#include "models/layers/residual_block.h"

#include <torch/torch.h>

#include "models/layers/norm.h"

namespace halcyon {

ResidualBlock::ResidualBlock(const ResidualBlockOptions& options)
    : scale_shift_(options.scale_shift),
      resample_(options.resample),
      norm1_(register_module(
          "norm1", make_norm(options.norm_groups, options.in_channels, options.norm_eps))),
      norm2_(register_module(
          "norm2", make_norm(options.norm_groups, options.out_channels, options.norm_eps))),
      conv1_(register_module("conv1",
                             same_size_convolution(options.in_channels, options.out_channels, 3))),
      conv2_(register_module("conv2",
                             same_size_convolution(options.out_channels, options.out_channels, 3))),
      embed_(register_module("embed",
                             torch::nn::Linear(options.embedding_width,
                                               options.out_channels * (scale_shift_ ? 2 : 1)))),
      dropout_(register_module("dropout", std::make_shared<Dropout>(options.dropout))) {
  if (options.in_channels != options.out_channels) {
    shortcut_ = register_module(
        "shortcut", same_size_convolution(options.in_channels, options.out_channels, 1));
  }
  torch::nn::init::zeros_(conv2_->weight);
  torch::nn::init::zeros_(conv2_->bias);
}

static torch::Tensor resampled(Resample resample, const torch::Tensor& x) {
  switch (resample) {
    case Resample::none:
      return x;
    case Resample::down:
      return torch::avg_pool2d(x, 2);
    case Resample::up:
      return torch::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)});
  }
  TORCH_CHECK(false, "unreachable");
}

torch::Tensor ResidualBlock::forward(const torch::Tensor& x, const torch::Tensor& embedding) {
  Modulation modulation;
  const auto e = embed_->forward(torch::silu(embedding));
  if (scale_shift_) {
    const auto scale_and_shift = e.chunk(2, 1);
    modulation = {.scale = scale_and_shift[0], .shift = scale_and_shift[1]};
  } else {
    modulation = {.add = e};
  }
  const auto [normed, unchanged] = branch(norm1_, x, /*activate=*/true);
  const auto past = resampled(resample_, unchanged);
  auto h = conv1_->forward(resampled(resample_, normed));
  h = conv2_->forward(dropout_->forward(normalise(norm2_, h, /*activate=*/true, modulation)));
  return h.add_(shortcut_ ? shortcut_->forward(past) : past);
}

}  // namespace halcyon
