#include "curvature/parameter_jacobian.h"

#include "core/torch.h"

namespace halcyon {
namespace {

torch::Tensor with_graph(Denoiser& denoiser, const RegressionBatch& batch) {
  const torch::AutoGradMode enable(true);
  return whitened(denoiser, batch);
}

}  // namespace

ParameterJacobian::ParameterJacobian(Denoiser& denoiser, const ParameterSpace& space,
                                     const RegressionBatch& batch)
    : space_(space), count_(batch.size()), phi_(with_graph(denoiser, batch)) {}

torch::Tensor ParameterJacobian::vjp(const torch::Tensor& u) const {
  return space_.flat(torch::autograd::grad({phi_}, space_.parameters(), {u}, /*retain_graph=*/true,
                                           /*create_graph=*/false, /*allow_unused=*/true));
}

torch::Tensor ParameterJacobian::jvp(const torch::Tensor& v) const {
  const torch::AutoGradMode enable(true);
  if (transposed_.empty()) {
    dummy_ = torch::zeros_like(phi_).detach().requires_grad_(true);
    transposed_ = torch::autograd::grad({phi_}, space_.parameters(), {dummy_},
                                        /*retain_graph=*/true, /*create_graph=*/true,
                                        /*allow_unused=*/true);
  }
  std::vector<torch::Tensor> outputs, directions;
  const auto shaped = space_.shaped(v);
  for (size_t i = 0; i < transposed_.size(); ++i) {
    if (!transposed_[i].defined()) continue;  // a parameter that phi does not depend on
    outputs.push_back(transposed_[i]);
    directions.push_back(shaped[i]);
  }
  return torch::autograd::grad(outputs, {dummy_}, directions, /*retain_graph=*/true)[0].detach();
}

torch::Tensor ParameterJacobian::fisher_product(const torch::Tensor& v) const {
  return vjp(jvp(v)) / static_cast<double>(count_);
}

}  // namespace halcyon
