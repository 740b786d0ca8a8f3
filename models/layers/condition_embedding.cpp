#include "models/layers/condition_embedding.h"

#include "core/torch.h"

namespace halcyon {

ConditionEmbedding::ConditionEmbedding(const NoiseEmbeddingOptions& noise, int64_t width,
                                       int64_t num_classes)
    : num_classes_(num_classes),
      noise_(register_module("noise", std::make_shared<NoiseEmbedding>(noise))),
      linear1_(register_module("linear1", Linear(noise.width, width))),
      linear2_(register_module("linear2", Linear(width, width))) {
  if (num_classes > 0) {
    class_table_ = register_module("class_table", torch::nn::Embedding(num_classes + 1, width));
  }
}

torch::Tensor ConditionEmbedding::forward(const torch::Tensor& c_noise,
                                          const torch::Tensor& label) {
  const auto features = noise_->forward(c_noise).to(linear1_->weight.scalar_type());
  const auto noise = linear2_->forward(torch::silu(linear1_->forward(features)));
  if (num_classes_ == 0) {
    TORCH_CHECK(!label.defined(), "a label for a network without classes");
    return noise;
  }
  const auto index = label.defined()
                         ? label
                         : torch::full({1}, num_classes_, c_noise.options().dtype(torch::kInt64));
  return noise + class_table_->forward(index);
}

}  // namespace halcyon
