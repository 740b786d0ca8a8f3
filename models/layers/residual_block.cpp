#include "models/layers/residual_block.h"

#include <torch/nn/init.h>

#include "core/torch.h"
#include "models/layers/norm.h"
#include "models/layers/resample.h"

namespace halcyon {

ResidualBlock::ResidualBlock(const ResidualBlockOptions& options)
    : scale_shift_(options.scale_shift),
      fir_(options.fir),
      resample_(options.resample),
      rescale_(options.rescale),
      norm1_(register_module(
          "norm1", make_norm(options.norm_groups, options.in_channels, options.norm_eps))),
      norm2_(register_module(
          "norm2",
          make_norm(options.norm_groups_out > 0 ? options.norm_groups_out : options.norm_groups,
                    options.out_channels, options.norm_eps))),
      conv1_(register_module("conv1",
                             same_size_convolution(options.in_channels, options.out_channels, 3))),
      conv2_(register_module("conv2",
                             same_size_convolution(options.out_channels, options.out_channels, 3))),
      embed_(register_module(
          "embed", Linear(options.embedding_width, options.out_channels * (scale_shift_ ? 2 : 1)))),
      dropout_(register_module("dropout", std::make_shared<Dropout>(options.dropout))) {
  const bool filtered = fir_ && resample_ != Resample::none;
  if (options.in_channels != options.out_channels || filtered) {
    shortcut_ = register_module(
        "shortcut", same_size_convolution(options.in_channels, options.out_channels, 1));
  }
  torch::nn::init::zeros_(conv2_->weight);
  torch::nn::init::zeros_(conv2_->bias);
}

torch::Tensor ResidualBlock::resampled(const torch::Tensor& x) const {
  switch (resample_) {
    case Resample::none:
      return x;
    case Resample::down:
      return halved(x, fir_);
    case Resample::up:
      return doubled(x, fir_);
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
  const auto past = resampled(unchanged);
  auto h = conv1_->forward(resampled(normed));
  h = conv2_->forward(dropout_->forward(normalise(norm2_, h, /*activate=*/true, modulation)));
  h.add_(shortcut_ ? shortcut_->forward(past) : past);
  return rescale_ == 1 ? h : h.div_(rescale_);
}

}  // namespace halcyon
