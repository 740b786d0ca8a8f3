#include "models/layers/attention.h"

#include <torch/torch.h>

#include "kernels/attention.h"
#include "models/layers/norm.h"

namespace halcyon {

Attention::Attention(const AttentionOptions& options)
    : heads_(options.heads),
      norm_(register_module("norm",
                            make_norm(options.norm_groups, options.channels, options.norm_eps))),
      query_(register_module("query", torch::nn::Linear(options.channels, options.channels))),
      key_(register_module("key", torch::nn::Linear(options.channels, options.channels))),
      value_(register_module("value", torch::nn::Linear(options.channels, options.channels))),
      out_(register_module("out", torch::nn::Linear(options.channels, options.channels))) {
  TORCH_CHECK(options.channels % heads_ == 0, options.channels, " channels, ", heads_, " heads");
  torch::nn::init::zeros_(out_->weight);
  torch::nn::init::zeros_(out_->bias);
}

std::vector<torch::Tensor> Attention::maps() const {
  return {query_->weight, query_->bias, key_->weight, key_->bias,
          value_->weight, value_->bias, out_->weight, out_->bias};
}

// [B, N, C] -> [B heads, N, C / heads]
torch::Tensor Attention::split_heads(const torch::Tensor& tokens) const {
  return tokens.unflatten(2, {heads_, -1}).transpose(1, 2).flatten(0, 1);
}

torch::Tensor Attention::join_heads(const torch::Tensor& tokens) const {
  return tokens.unflatten(0, {-1, heads_}).transpose(1, 2).flatten(2);
}

torch::Tensor Attention::forward(const torch::Tensor& x) {
  const auto [normed, past] = branch(norm_, x, /*activate=*/false);
  const auto pixels = normed.permute({0, 2, 3, 1});
  const auto tokens = pixels.flatten(1, 2);
  const auto query = split_heads(query_->forward(tokens));
  const auto key = split_heads(key_->forward(tokens));
  const auto value = split_heads(value_->forward(tokens));
  const auto mixed = out_->forward(join_heads(attention(query, key, value)));
  return past + mixed.view_as(pixels).permute({0, 3, 1, 2});
}

}  // namespace halcyon
