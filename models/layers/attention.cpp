#include "models/layers/attention.h"

#include <torch/torch.h>

#include "kernels/attention.h"
#include "models/layers/norm.h"

namespace halcyon {

Attention::Attention(const AttentionOptions& options)
    : heads_(options.heads),
      query_(register_module("query", torch::nn::Linear(options.channels, options.channels))),
      key_(register_module("key", torch::nn::Linear(options.channels, options.channels))),
      value_(register_module("value", torch::nn::Linear(options.channels, options.channels))),
      out_(register_module("out", torch::nn::Linear(options.channels, options.channels))) {
  TORCH_CHECK(options.channels % heads_ == 0, options.channels, " channels, ", heads_, " heads");
  if (options.norm_groups > 0) {
    norm_ =
        register_module("norm", make_norm(options.norm_groups, options.channels, options.norm_eps));
  }
  torch::nn::init::zeros_(out_->weight);
  torch::nn::init::zeros_(out_->bias);
}

std::vector<torch::Tensor> Attention::maps() const {
  return {query_->weight, query_->bias, key_->weight, key_->bias,
          value_->weight, value_->bias, out_->weight, out_->bias};
}

// [B, C, H, W] -> [B heads, H W, C / heads]; of one head in channels-last memory it is a view.
torch::Tensor Attention::split_heads(const torch::Tensor& x) const {
  return x.flatten(2).unflatten(1, {heads_, -1}).transpose(2, 3).flatten(0, 1);
}

torch::Tensor Attention::join_heads(const torch::Tensor& tokens, const torch::Tensor& like) const {
  const auto joined = tokens.unflatten(0, {-1, heads_}).transpose(2, 3).flatten(1, 2);
  return joined.view(like.sizes());
}

// The map of every pixel, as a convolution: with oneDNN the faster of the two products.
static torch::Tensor map_pixels(torch::nn::Linear& map, const torch::Tensor& x) {
  return torch::conv2d(x, map->weight.unsqueeze(-1).unsqueeze(-1), map->bias);
}

torch::Tensor Attention::forward(const torch::Tensor& x) {
  const auto [normed, past] = norm_ ? branch(norm_, x, /*activate=*/false) : NormBranch{x, x};
  const auto query = split_heads(map_pixels(query_, normed));
  const auto key = split_heads(map_pixels(key_, normed));
  const auto value = split_heads(map_pixels(value_, normed));
  const auto mixed = join_heads(attention(query, key, value), x);
  return map_pixels(out_, mixed).add_(past);
}

}  // namespace halcyon
