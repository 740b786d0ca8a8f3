#include "fisher/denoiser_jacobian.h"

#include <torch/torch.h>

namespace halcyon {
namespace {

torch::Tensor with_gradient(const torch::Tensor& x) { return x.detach().requires_grad_(true); }

torch::Tensor with_graph(Denoiser& denoiser, const torch::Tensor& x, const torch::Tensor& sigma) {
  const torch::AutoGradMode enable(true);
  return denoiser.denoise(x, sigma);
}

}  // namespace

torch::Tensor rademacher_like(const torch::Tensor& like, at::Generator& rng) {
  return torch::randint(0, 2, like.sizes(), rng, like.options().requires_grad(false)) * 2 - 1;
}

DenoiserJacobian::DenoiserJacobian(Denoiser& denoiser, const torch::Tensor& x,
                                   const torch::Tensor& sigma)
    : input_(with_gradient(x)), denoised_(with_graph(denoiser, input_, sigma)) {}

torch::Tensor DenoiserJacobian::vjp(const torch::Tensor& v) const {
  return torch::autograd::grad({denoised_}, {input_}, {v}, /*retain_graph=*/true)[0];
}

torch::Tensor DenoiserJacobian::jvp(const torch::Tensor& v) const {
  const torch::AutoGradMode enable(true);
  const auto u = torch::zeros_like(denoised_).requires_grad_(true);
  const auto product = torch::autograd::grad({denoised_}, {input_}, {u}, /*retain_graph=*/true,
                                             /*create_graph=*/true)[0];
  return torch::autograd::grad({product}, {u}, {v}, /*retain_graph=*/true)[0];
}

}  // namespace halcyon
