#include "kernels/fusion.h"

#include <torch/autograd.h>
#include <torch/types.h>

#include "kernels/cuda/launch.h"

namespace halcyon {

static bool has_kernels(torch::Device device) {
  return device.is_cpu() || (device.is_cuda() && cuda::built());
}

bool fusable(std::initializer_list<torch::Tensor> inputs) {
  for (const auto& input : inputs) {
    if (!input.defined()) continue;
    const auto type = input.scalar_type();
    if (!has_kernels(input.device()) || !input.has_storage()) return false;
    if (type != torch::kFloat32 && type != torch::kBFloat16) return false;
    if (input._fw_grad(/*level=*/0).defined()) return false;
  }
  return true;
}

bool needs_graph(const torch::Tensor& gradient) {
  return at::GradMode::is_enabled() || gradient._fw_grad(/*level=*/0).defined();
}

at::ScalarType accurate_type(at::ScalarType type) {
  return type == torch::kFloat64 ? torch::kFloat64 : torch::kFloat32;
}

std::vector<torch::Tensor> differentiable_gradient(
    const std::function<torch::Tensor(const std::vector<torch::Tensor>&)>& composed,
    const std::vector<torch::Tensor>& inputs, const torch::Tensor& gradient) {
  // Inputs may depend on one another: of views of them the derivatives are partial.
  std::vector<torch::Tensor> views, wanted;
  for (const auto& input : inputs) {
    const bool asked = input.defined() && input.requires_grad();
    views.push_back(asked ? input.view_as(input) : input);
    if (asked) wanted.push_back(views.back());
  }
  const auto found =
      torch::autograd::grad({composed(views)}, wanted, {gradient}, /*retain_graph=*/true,
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
