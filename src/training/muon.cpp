#include "training/muon.h"

#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <algorithm>
#include <cmath>

#include "core/torch.h"

namespace halcyon {
namespace {

constexpr double kUpdateRms = 0.2;

/// The weights of linear layers and convolutions.
std::vector<torch::Tensor> layer_matrices(const torch::nn::Module& module) {
  std::vector<torch::Tensor> weights;
  for (const auto& part : module.modules()) {
    if (const auto* linear = part->as<torch::nn::LinearImpl>()) weights.push_back(linear->weight);
    if (const auto* conv = part->as<torch::nn::Conv2dImpl>()) weights.push_back(conv->weight);
  }
  return weights;
}

torch::Tensor joined(const std::vector<FlatParameters::Slot>& slots, const torch::Tensor& flat) {
  std::vector<torch::Tensor> parts = {flat.narrow(0, 0, 0)};
  for (const auto& slot : slots) parts.push_back(flat.narrow(0, slot.offset, slot.count()));
  return torch::cat(parts);
}

}  // namespace

torch::Tensor orthogonalised(const torch::Tensor& matrix, int64_t steps) {
  constexpr double a = 3.4445, b = -4.7750, c = 2.0315;
  const bool tall = matrix.size(0) > matrix.size(1);
  auto x = tall ? matrix.t() : matrix;
  x = x / (x.norm() + 1e-7);
  for (int64_t i = 0; i < steps; ++i) {
    const auto s = x.matmul(x.t());
    x = a * x + (b * s + c * s.matmul(s)).matmul(x);
  }
  return tall ? x.t() : x;
}

Muon::Muon(const torch::nn::Module& module, const FlatParameters& parameters)
    : velocity_(torch::zeros_like(parameters.values())),
      adamw_(parameters.values().narrow(0, 0, 0)) {
  const auto weights = layer_matrices(module);
  for (const auto& slot : parameters.slots()) {
    const bool matrix = std::any_of(weights.begin(), weights.end(), [&](const torch::Tensor& w) {
      return w.is_same(slot.parameter);
    });
    (matrix ? matrices_ : rest_).push_back(slot);
  }
  adamw_ = AdamW(joined(rest_, parameters.values()));
}

void Muon::update(const OptimizerStep& step, const OptimizerOptions& options) {
  const torch::NoGradGuard no_grad;
  for (const auto& slot : matrices_) {
    const auto velocity = slot.view(velocity_);
    const auto g = slot.view(step.gradient);
    const auto weight = slot.view(step.values);
    velocity.mul_(options.momentum).add_(g);
    const auto wanted = (g + options.momentum * velocity).reshape({slot.shape[0], -1});
    const auto update = orthogonalised(wanted, options.newton_schulz_steps);
    const double scale =
        kUpdateRms * std::sqrt(static_cast<double>(std::max(wanted.size(0), wanted.size(1))));
    if (options.weight_decay > 0) weight.mul_(1 - step.rate * options.weight_decay);
    weight.add_(update.reshape(slot.shape), -step.rate * scale);
  }
  update_rest(step, options);
}

void Muon::update_rest(const OptimizerStep& step, const OptimizerOptions& options) {
  const auto rest = joined(rest_, step.values);
  adamw_.update({rest, joined(rest_, step.gradient), step.rate, step.number}, options);
  int64_t begin = 0;
  for (const auto& slot : rest_) {
    step.values.narrow(0, slot.offset, slot.count()).copy_(rest.narrow(0, begin, slot.count()));
    begin += slot.count();
  }
}

TensorMap Muon::tensors(const FlatParameters&) const {
  TensorMap tensors;
  for (const auto& slot : matrices_) tensors["velocity." + slot.name] = slot.view(velocity_);
  int64_t begin = 0;
  for (auto slot : rest_) {
    slot.offset = begin;
    tensors["mean." + slot.name] = slot.view(adamw_.mean);
    tensors["square." + slot.name] = slot.view(adamw_.square);
    begin += slot.count();
  }
  return tensors;
}

}  // namespace halcyon
