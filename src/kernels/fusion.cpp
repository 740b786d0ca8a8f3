#include "kernels/fusion.h"

#include <torch/torch.h>

namespace halcyon {

bool fusable(std::initializer_list<torch::Tensor> inputs) {
  for (const auto& input : inputs) {
    if (!input.defined()) continue;
    const auto type = input.scalar_type();
    if (!input.device().is_cpu()) return false;
    if (type != torch::kFloat32 && type != torch::kBFloat16) return false;
    if (input._fw_grad(/*level=*/0).defined()) return false;
  }
  return true;
}

at::ScalarType accurate_type(at::ScalarType type) {
  return type == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
}

std::vector<torch::Tensor> differentiable_gradient(
    const std::function<torch::Tensor(const std::vector<torch::Tensor>&)>& composed,
    const std::vector<torch::Tensor>& inputs, const torch::Tensor& gradient) {
  std::vector<torch::Tensor> wanted;
  for (const auto& input : inputs) {
    if (input.defined() && input.requires_grad()) wanted.push_back(input);
  }
  const auto found =
      torch::autograd::grad({composed(inputs)}, wanted, {gradient}, /*retain_graph=*/true,
                            /*create_graph=*/true, /*allow_unused=*/true);
  std::vector<torch::Tensor> gradients;
  auto next = found.begin();
  for (const auto& input : inputs) {
    const bool asked = input.defined() && input.requires_grad();
    gradients.push_back(asked ? *next++ : torch::Tensor());
  }
  return gradients;
}

}  // namespace halcyon
