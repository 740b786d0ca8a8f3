#pragma once

#include <torch/nn/modules/normalization.h>

#include <memory>
#include <vector>

#include "models/layers/attention.h"
#include "models/layers/convolution.h"
#include "models/layers/resample.h"
#include "models/layers/residual_block.h"

namespace halcyon {

/// Features of a resolution, and the image there: on the way down what the network sees; on the way
/// up what it gives so far, undefined without output_skip.
struct UnetFeatures {
  torch::Tensor h, image;
};

/// One resolution of a U-Net on the way down or up: blocks, followed by attention if there is any,
/// then at most one change of resolution, by a convolution or a block.
struct UnetLevel final : torch::nn::Module {
  std::vector<std::shared_ptr<ResidualBlock>> blocks;
  std::vector<std::shared_ptr<Attention>> attentions;  // each after one of the last blocks
  std::shared_ptr<Downsample> downsample;
  std::shared_ptr<Upsample> upsample;
  std::shared_ptr<ResidualBlock> downsample_block, upsample_block;
  Convolution input_skip{nullptr};            // from the halved image to the halved features
  torch::nn::GroupNorm output_norm{nullptr};  // of the features
  Convolution output_skip{nullptr};           // from them to the image
  bool fir = false;                           // how images change resolution

  /// Once all that there is has been set.
  void register_all();

  torch::Tensor run_block(size_t i, const torch::Tensor& x, const torch::Tensor& embedding);
  /// To the next resolution.
  UnetFeatures halve(UnetFeatures in, const torch::Tensor& embedding);
  UnetFeatures enlarge(UnetFeatures in, const torch::Tensor& embedding);
};

}  // namespace halcyon
