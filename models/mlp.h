#pragma once

#include <memory>
#include <vector>

#include "core/score_network.h"
#include "models/layers/condition_embedding.h"
#include "models/layers/linear.h"
#include "models/network_shape.h"

namespace halcyon {

struct MlpOptions {
  int64_t width = 128;
  int64_t depth = 4;
  NoiseEmbeddingKind embedding = NoiseEmbeddingKind::sinusoidal;
  double fourier_scale = 1.0;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.width, "width", "features of the hidden layers; even, at least 4");
    field(self.depth, "depth", "residual blocks");
    field(self.embedding, "embedding", "features of the noise level");
    field(self.fourier_scale, "fourier_scale", "fourier: standard deviation of the frequencies");
  }
};

/// A residual network of fully connected layers for toy data, which flattens [C, H, W]:
///
///     h <- h + W_2 silu((1 + scale) W_1 h + shift),  [scale, shift] = W_3 silu(embedding)
///
/// repeated `depth` times between two linear maps.  Smooth; the last map starts at zero.
class Mlp final : public ScoreNetwork {
 public:
  /// num_classes 0: unconditional.
  /// @throws ConfigError naming the key under model.mlp for options out of range.
  Mlp(const MlpOptions& options, const ImageShape& shape, int64_t num_classes);

  /// A label of num_classes, like an undefined one, means "no class".
  torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& c_noise,
                        const torch::Tensor& label) override;
  int64_t num_classes() const override { return embedding_->num_classes(); }

 private:
  struct Block;

  std::shared_ptr<ConditionEmbedding> embedding_;
  Linear in_, out_;
  std::vector<std::shared_ptr<Block>> blocks_;
};

}  // namespace halcyon
