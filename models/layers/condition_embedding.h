#pragma once

#include <torch/nn/modules/embedding.h>

#include "models/layers/linear.h"
#include "models/layers/noise_embedding.h"

namespace halcyon {

/// What a network is told beside x, as one vector: a two-layer SiLU network of the noise
/// features plus, where there are classes, a learned vector for each and one for "no class".
class ConditionEmbedding final : public torch::nn::Module {
 public:
  /// num_classes 0: takes no label.
  ConditionEmbedding(const NoiseEmbeddingOptions& noise, int64_t width, int64_t num_classes);

  /// c_noise: [B]; label: [B] int64 in 0 .. num_classes, where num_classes means "no class", or
  /// undefined for "no class" throughout.  Returns [B, width].
  torch::Tensor forward(const torch::Tensor& c_noise, const torch::Tensor& label);

  int64_t num_classes() const { return num_classes_; }

 private:
  int64_t num_classes_;
  std::shared_ptr<NoiseEmbedding> noise_;
  Linear linear1_, linear2_;
  torch::nn::Embedding class_table_{nullptr};
};

}  // namespace halcyon
