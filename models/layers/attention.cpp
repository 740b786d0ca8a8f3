#include "models/layers/attention.h"

#include <torch/nn/init.h>

#include "core/layer_tap.h"
#include "core/torch.h"
#include "kernels/attention.h"
#include "kernels/convolution.h"
#include "models/layers/norm.h"

namespace halcyon {

Attention::Attention(const AttentionOptions& options)
    : heads_(options.heads),
      rescale_(options.rescale),
      norm_(options.norm_groups > 0
                ? register_module(
                      "norm", make_norm(options.norm_groups, options.channels, options.norm_eps))
                : torch::nn::GroupNorm(nullptr)),
      query_(make_map("query", options.channels)),
      key_(make_map("key", options.channels)),
      value_(make_map("value", options.channels)),
      out_(make_map("out", options.channels)) {
  TORCH_CHECK(options.channels % heads_ == 0, options.channels, " channels, ", heads_, " heads");
  torch::nn::init::zeros_(out_.linear->weight);
  torch::nn::init::zeros_(out_.linear->bias);
}

Attention::PixelMap Attention::make_map(const char* name, int64_t channels) {
  return {register_module(name, torch::nn::Linear(channels, channels))};
}

std::vector<torch::Tensor> Attention::maps() const {
  std::vector<torch::Tensor> tensors;
  for (const auto* map : {&query_, &key_, &value_, &out_}) {
    tensors.push_back(map->linear->weight);
    tensors.push_back(map->linear->bias);
  }
  return tensors;
}

void Attention::fix_weights(bool fixed) {
  for (auto* map : {&query_, &key_, &value_, &out_}) {
    map->fixed = fixed ? FixedConvolution::make(map->weight(), map->linear->bias, /*stride=*/1,
                                                /*padding=*/0)
                       : nullptr;
  }
}

// [B, C, H, W] -> [B heads, H W, C / heads]; of one head in channels-last memory it is a view.
torch::Tensor Attention::split_heads(const torch::Tensor& x) const {
  return x.flatten(2).unflatten(1, {heads_, -1}).transpose(2, 3).flatten(0, 1);
}

torch::Tensor Attention::join_heads(const torch::Tensor& tokens, const torch::Tensor& like) const {
  const auto joined = tokens.unflatten(0, {-1, heads_}).transpose(2, 3).flatten(1, 2);
  return joined.view(like.sizes());
}

// As a convolution: with oneDNN the faster of the two products.
torch::Tensor Attention::PixelMap::operator()(const torch::Tensor& x) const {
  if (fixed && FixedConvolution::takes(x)) return (*fixed)(x);
  return tapped({linear->weight, linear->bias, x,
                 convolution(x, weight(), linear->bias, /*stride=*/1, /*padding=*/0)});
}

torch::Tensor Attention::forward(const torch::Tensor& x) {
  const auto [normed, past] = norm_ ? branch(norm_, x, /*activate=*/false) : NormBranch{x, x};
  const auto query = split_heads(query_(normed));
  const auto key = split_heads(key_(normed));
  const auto value = split_heads(value_(normed));
  const auto mixed = join_heads(attention(query, key, value), x);
  const auto sum = out_(mixed).add_(past);
  return rescale_ == 1 ? sum : sum.div_(rescale_);
}

}  // namespace halcyon
