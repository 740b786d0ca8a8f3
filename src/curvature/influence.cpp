#include "curvature/influence.h"

#include "core/torch.h"

namespace halcyon {
namespace {

/// The numbers of a layer in v [P], as [rows, columns], the bias last.
torch::Tensor layer_numbers(const torch::Tensor& v, const TappedBatch::Layer& layer,
                            const ParameterSpace& space) {
  const auto matrix = [&](int64_t i) {
    const auto& place = space.blocks()[static_cast<size_t>(i)];
    return v.narrow(0, place.begin, place.count).view({layer.rows, -1});
  };
  if (layer.bias < 0) return matrix(layer.weight);
  return torch::cat({matrix(layer.weight), matrix(layer.bias)}, 1);
}

}  // namespace

void Influence::add_query(const torch::Tensor& gradient) {
  queries_.push_back(fisher_.solve(gradient, ridge_) / images_);
}

torch::Tensor Influence::of(const TappedBatch& batch, const torch::Tensor& target) const {
  const torch::NoGradGuard no_grad;
  TORCH_CHECK(!queries_.empty(), "Influence: want a query first");
  const auto backward = batch.backward(batch.predictions().detach() - target);
  torch::Tensor sum;
  for (size_t i = 0; i < batch.layers().size(); ++i) {
    const auto& layer = batch.layers()[i];
    std::vector<torch::Tensor> wanted;
    for (const auto& query : queries_) {
      wanted.push_back(layer_numbers(query, layer, fisher_.space()).flatten());
    }
    const auto gradients = sample_gradients(batch.inputs(i), batch.outputs(backward, i)).flatten(1);
    const auto part = gradients.matmul(torch::stack(wanted, 1).to(gradients.options()));
    sum = sum.defined() ? sum + part : part;
  }
  return sum;
}

torch::Tensor layer_gradient(const TappedBatch& batch, const torch::Tensor& target,
                             const ParameterSpace& space) {
  const torch::NoGradGuard no_grad;
  const auto backward = batch.backward(batch.predictions().detach() - target);
  const auto count = static_cast<double>(batch.size());
  std::vector<torch::Tensor> tensors(space.parameters().size());
  for (size_t i = 0; i < batch.layers().size(); ++i) {
    const auto& layer = batch.layers()[i];
    const auto a = batch.inputs(i).flatten(0, 1), g = batch.outputs(backward, i).flatten(0, 1);
    const auto gradient = g.t().matmul(a) / count;
    const int64_t weights = layer.columns - (layer.bias < 0 ? 0 : 1);
    tensors[static_cast<size_t>(layer.weight)] = gradient.narrow(1, 0, weights);
    if (layer.bias >= 0) {
      tensors[static_cast<size_t>(layer.bias)] = gradient.narrow(1, weights, 1);
    }
  }
  return space.flat(tensors);
}

}  // namespace halcyon
