#include "models/unet_level.h"

#include <torch/nn/modules/container/modulelist.h>

#include "core/torch.h"
#include "models/layers/norm.h"

namespace halcyon {

void UnetLevel::register_all() {
  torch::nn::ModuleList block, attention;
  for (const auto& module : blocks) block->push_back(module);
  for (const auto& module : attentions) attention->push_back(module);
  register_module("block", block);
  if (!attentions.empty()) register_module("attention", attention);
  if (downsample) register_module("downsample", downsample);
  if (upsample) register_module("upsample", upsample);
  if (downsample_block) register_module("downsample", downsample_block);
  if (upsample_block) register_module("upsample", upsample_block);
  if (input_skip) register_module("input_skip", input_skip);
  if (output_norm) register_module("output_norm", output_norm);
  if (output_skip) register_module("output_skip", output_skip);
}

torch::Tensor UnetLevel::run_block(size_t i, const torch::Tensor& x,
                                   const torch::Tensor& embedding) {
  const auto h = blocks[i]->forward(x, embedding);
  const auto first = blocks.size() - attentions.size();
  return i < first ? h : attentions[i - first]->forward(h);
}

UnetFeatures UnetLevel::halve(UnetFeatures in, const torch::Tensor& embedding) {
  in.h = downsample_block ? downsample_block->forward(in.h, embedding) : downsample->forward(in.h);
  if (!input_skip) return in;
  in.image = halved(in.image, fir);
  in.h = in.h + input_skip->forward(in.image);
  return in;
}

UnetFeatures UnetLevel::enlarge(UnetFeatures in, const torch::Tensor& embedding) {
  if (output_skip) {
    const auto added = output_skip->forward(normalise(output_norm, in.h, /*activate=*/true));
    in.image = in.image.defined() ? doubled(in.image, fir) + added : added;
  }
  in.h = upsample_block ? upsample_block->forward(in.h, embedding) : upsample->forward(in.h);
  return in;
}

}  // namespace halcyon
