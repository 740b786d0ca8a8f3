#include "training/flat_parameters.h"

#include "core/torch.h"

namespace halcyon {
namespace {

constexpr int64_t kAlignment = 16;  // floats: a cache line, as fresh tensors are

}  // namespace

torch::Tensor FlatParameters::Slot::view(const torch::Tensor& flat) const {
  const auto part = flat.narrow(0, offset, count());
  if (shape.size() != 4) return part.view(shape);
  return part.view({shape[0], shape[2], shape[3], shape[1]}).permute({0, 3, 1, 2});
}

FlatParameters::FlatParameters(torch::nn::Module& module) {
  int64_t total = 0;
  for (const auto& item : module.named_parameters()) {
    slots_.push_back({item.key(), total, item.value().sizes().vec(), item.value()});
    total += (item.value().numel() + kAlignment - 1) / kAlignment * kAlignment;
  }
  TORCH_CHECK(total > 0, "FlatParameters: the module has no parameters");
  values_ = torch::zeros({total}, slots_.front().parameter.options().requires_grad(false));

  const torch::NoGradGuard no_grad;
  for (auto& slot : slots_) {
    const auto view = slot.view(values_);
    view.copy_(slot.parameter);
    slot.parameter.set_data(view);
  }
}

TensorMap FlatParameters::views(const torch::Tensor& flat) const {
  TensorMap map;
  for (const auto& slot : slots_) map[slot.name] = slot.view(flat);
  return map;
}

void FlatParameters::clear_gradients() {
  for (auto& slot : slots_) slot.parameter.mutable_grad().reset();
  collected_.reset();
}

void FlatParameters::collect_gradients() {
  const torch::NoGradGuard no_grad;
  if (!collected_.defined()) collected_ = torch::zeros_like(values_);
  for (auto& slot : slots_) {
    auto& gradient = slot.parameter.mutable_grad();
    if (gradient.defined()) slot.view(collected_).add_(gradient);
    gradient.reset();
  }
}

void FlatParameters::add_to_gradients(const torch::Tensor& more) {
  const torch::NoGradGuard no_grad;
  int64_t begin = 0;
  for (auto& slot : slots_) {
    const auto part = more.narrow(0, begin, slot.count()).view(slot.shape);
    begin += slot.count();
    auto& gradient = slot.parameter.mutable_grad();
    if (collected_.defined()) {
      slot.view(collected_).add_(part);
    } else if (gradient.defined()) {
      gradient.add_(part);
    } else {
      gradient = torch::empty_like(slot.parameter).copy_(part);
    }
  }
}

void FlatParameters::set_gradients(const std::vector<torch::Tensor>& gradients,
                                   torch::Tensor collected) {
  for (size_t i = 0; i < slots_.size(); ++i) slots_[i].parameter.mutable_grad() = gradients[i];
  collected_ = std::move(collected);
}

void FlatParameters::refresh_copies() {
  const torch::NoGradGuard no_grad;
  for (auto& slot : slots_) {
    const auto view = slot.view(values_);
    if (slot.parameter.data_ptr() != view.data_ptr()) slot.parameter.copy_(view);
  }
}

int64_t FlatParameters::count() const {
  int64_t total = 0;
  for (const auto& slot : slots_) total += slot.count();
  return total;
}

ScopedValues::ScopedValues(const FlatParameters& parameters, const torch::Tensor& values) {
  for (const auto& slot : parameters.slots()) {
    parameters_.push_back(slot.parameter);
    saved_.push_back(slot.parameter.detach());
    parameters_.back().mutable_grad().reset();
    parameters_.back().set_data(slot.view(values));
  }
}

ScopedValues::~ScopedValues() {
  for (size_t i = 0; i < parameters_.size(); ++i) {
    parameters_[i].mutable_grad().reset();
    parameters_[i].set_data(saved_[i]);
  }
}

}  // namespace halcyon
