#include "training/flat_parameters.h"

#include <torch/torch.h>

namespace halcyon {
namespace {

constexpr int64_t kAlignment = 16;  // floats: a cache line, as fresh tensors are

}  // namespace

FlatParameters::FlatParameters(torch::nn::Module& module) {
  int64_t total = 0;
  const auto parameters = module.named_parameters();
  for (const auto& item : parameters) {
    slots_.push_back({item.key(), total, item.value().sizes().vec()});
    total += (item.value().numel() + kAlignment - 1) / kAlignment * kAlignment;
  }
  TORCH_CHECK(total > 0, "FlatParameters: the module has no parameters");
  const auto options = parameters.front().value().options().requires_grad(false);
  values_ = torch::zeros({total}, options);
  gradients_ = torch::zeros({total}, options);

  const torch::NoGradGuard no_grad;
  const auto value_views = views(values_);
  const auto gradient_views = views(gradients_);
  for (const auto& item : parameters) {
    const auto& parameter = item.value();
    value_views.at(item.key()).copy_(parameter);
    parameter.set_data(value_views.at(item.key()));
    parameter.mutable_grad() = gradient_views.at(item.key());
  }
}

TensorMap FlatParameters::views(const torch::Tensor& flat) const {
  TensorMap map;
  for (const auto& slot : slots_) {
    const auto size = c10::multiply_integers(slot.shape);
    map[slot.name] = flat.narrow(0, slot.offset, size).view(slot.shape);
  }
  return map;
}

int64_t FlatParameters::count() const {
  int64_t total = 0;
  for (const auto& slot : slots_) total += c10::multiply_integers(slot.shape);
  return total;
}

ScopedValues::ScopedValues(const FlatParameters& parameters, const torch::Tensor& values)
    : target_(parameters.values()), saved_(parameters.values().clone()) {
  torch::Tensor(target_).copy_(values);
}

ScopedValues::~ScopedValues() { target_.copy_(saved_); }

}  // namespace halcyon
