#include "models/mlp.h"

#include <fmt/format.h>
#include <torch/nn/init.h>
#include <torch/nn/modules/container/modulelist.h>

#include "core/error.h"
#include "core/torch.h"

namespace halcyon {

struct Mlp::Block final : torch::nn::Module {
  Linear linear1, linear2, embed;

  explicit Block(int64_t width)
      : linear1(register_module("linear1", Linear(width, width))),
        linear2(register_module("linear2", Linear(width, width))),
        embed(register_module("embed", Linear(width, 2 * width))) {}

  torch::Tensor forward(const torch::Tensor& h, const torch::Tensor& embedding) {
    const auto scale_and_shift = embed->forward(torch::silu(embedding)).chunk(2, 1);
    const auto inner = (1 + scale_and_shift[0]) * linear1->forward(h) + scale_and_shift[1];
    return h + linear2->forward(torch::silu(inner));
  }
};

static MlpOptions checked(const MlpOptions& o) {
  if (o.width < 4 || o.width > 1 << 14 || o.width % 2 != 0) {
    throw ConfigError(fmt::format("model.mlp.width: {}, must be even and in 4 .. 16384", o.width));
  }
  if (o.depth < 1 || o.depth > 1000) {
    throw ConfigError(fmt::format("model.mlp.depth: {}, must be in 1 .. 1000", o.depth));
  }
  return o;
}

static NoiseEmbeddingOptions noise_options(const MlpOptions& o) {
  NoiseEmbeddingOptions noise;
  noise.kind = o.embedding;
  noise.width = o.width;
  noise.fourier_scale = o.fourier_scale;
  return noise;
}

Mlp::Mlp(const MlpOptions& options, const ImageShape& shape, int64_t num_classes)
    : embedding_(register_module(
          "embedding", std::make_shared<ConditionEmbedding>(noise_options(checked(options)),
                                                            options.width, num_classes))),
      in_(register_module("in",
                          Linear(shape.channels * shape.height * shape.width, options.width))),
      out_(nullptr) {
  torch::nn::ModuleList block;
  for (int64_t i = 0; i < options.depth; ++i) {
    blocks_.push_back(std::make_shared<Block>(options.width));
    block->push_back(blocks_.back());
  }
  register_module("block", block);
  out_ = register_module("out", Linear(options.width, in_->options.in_features()));
  torch::nn::init::zeros_(out_->weight);
  torch::nn::init::zeros_(out_->bias);
}

torch::Tensor Mlp::forward(const torch::Tensor& x, const torch::Tensor& c_noise,
                           const torch::Tensor& label) {
  const auto embedding = embedding_->forward(c_noise, label);
  auto h = in_->forward(x.flatten(1));
  for (const auto& block : blocks_) h = block->forward(h, embedding);
  return out_->forward(torch::silu(h)).view(x.sizes());
}

}  // namespace halcyon
