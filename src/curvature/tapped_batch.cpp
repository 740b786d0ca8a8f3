#include "curvature/tapped_batch.h"

#include <algorithm>

#include "core/torch.h"

namespace halcyon {
namespace {

/// bfloat16 and its like in float32.
torch::Tensor in_full(const torch::Tensor& t) {
  return t.scalar_type() == torch::kFloat64 ? t : t.to(torch::kFloat32);
}

/// [B, C, H, W] or [B, C] at its places, [B, T, C].
torch::Tensor by_place(const torch::Tensor& t) {
  return t.dim() == 2 ? t.unsqueeze(1) : t.flatten(2).transpose(1, 2);
}

int64_t index_of(const ParameterSpace& space, const torch::Tensor& parameter) {
  const auto& all = space.parameters();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const torch::Tensor& t) { return t.is_same(parameter); });
  TORCH_CHECK(found != all.end(), "TappedBatch: a layer whose parameters are not in the space");
  return found - all.begin();
}

}  // namespace

TappedBatch::TappedBatch(Denoiser& denoiser, const ParameterSpace& space,
                         const RegressionBatch& batch)
    : space_(space) {
  const torch::AutoGradMode enable(true);
  const ScopedLayerTap tap(*this);
  phi_ = whitened(denoiser, batch);
  std::vector<bool> seen(space.parameters().size(), false);
  for (const auto& layer : layers_) {
    TORCH_CHECK(!seen[static_cast<size_t>(layer.weight)], "TappedBatch: a layer evaluated twice");
    seen[static_cast<size_t>(layer.weight)] = true;
    if (layer.bias >= 0) seen[static_cast<size_t>(layer.bias)] = true;
  }
  for (size_t i = 0; i < seen.size(); ++i) {
    if (!seen[i]) others_.push_back(static_cast<int64_t>(i));
  }
}

void TappedBatch::see(const AffineCall& call) {
  const int64_t rows = call.weight.size(0);
  const int64_t columns = call.weight.numel() / rows + (call.bias.defined() ? 1 : 0);
  const int64_t bias = call.bias.defined() ? index_of(space_, call.bias) : -1;
  auto kept = call;
  kept.x = call.x.detach();
  layers_.push_back({index_of(space_, call.weight), bias, kept, rows, columns});
}

TappedBatch::Backward TappedBatch::backward(const torch::Tensor& u) const {
  std::vector<torch::Tensor> wanted;
  for (const auto& layer : layers_) wanted.push_back(layer.call.y);
  for (const auto i : others_) wanted.push_back(space_.parameters()[static_cast<size_t>(i)]);
  auto found = torch::autograd::grad({phi_}, wanted, {u}, /*retain_graph=*/true,
                                     /*create_graph=*/false, /*allow_unused=*/true);
  for (size_t i = 0; i < found.size(); ++i) {
    if (!found[i].defined()) found[i] = torch::zeros_like(wanted[i]);
  }
  const auto split = found.begin() + static_cast<std::ptrdiff_t>(layers_.size());
  return {{found.begin(), split}, {split, found.end()}};
}

torch::Tensor TappedBatch::inputs(size_t i) const {
  const auto& [weight, bias, call, rows, columns] = layers_[i];
  auto x = in_full(call.x);
  if (call.weight.dim() == 4) {
    const auto size = call.weight.sizes().slice(2);
    x = torch::im2col(x.contiguous(), size, /*dilation=*/{1, 1}, {call.padding, call.padding},
                      {call.stride, call.stride});
  }
  const auto places = by_place(x.dim() == 3 ? x.unsqueeze(-1) : x);
  if (bias < 0) return places;
  return torch::cat({places, places.new_ones({places.size(0), places.size(1), 1})}, 2);
}

torch::Tensor TappedBatch::outputs(const Backward& of, size_t i) const {
  return by_place(in_full(of.outputs[i]));
}

torch::Tensor sample_gradients(const torch::Tensor& inputs, const torch::Tensor& outputs) {
  return outputs.transpose(1, 2).matmul(inputs);
}

}  // namespace halcyon
