#include "fisher/denoiser_jacobian.h"

#include "core/torch.h"

namespace halcyon {
namespace {

torch::Tensor with_gradient(const torch::Tensor& x) { return x.detach().requires_grad_(true); }

torch::Tensor with_graph(Denoiser& denoiser, const torch::Tensor& x, const torch::Tensor& sigma) {
  const torch::AutoGradMode enable(true);
  return denoiser.denoise(x, sigma);
}

/// A level of forward-mode differentiation, left also when the denoiser throws.
class DualLevel {
 public:
  DualLevel() : level_(torch::autograd::forward_ad::enter_dual_level()) {}
  DualLevel(const DualLevel&) = delete;
  DualLevel& operator=(const DualLevel&) = delete;
  ~DualLevel() { torch::autograd::forward_ad::exit_dual_level(level_); }

  torch::Tensor dual(const torch::Tensor& primal, const torch::Tensor& tangent) const {
    return at::_make_dual(primal, tangent, index());
  }
  /// Undefined where no tangent came through.
  torch::Tensor tangent(const torch::Tensor& dual) const {
    return std::get<1>(at::_unpack_dual(dual, index()));
  }

 private:
  int64_t index() const { return static_cast<int64_t>(level_); }

  uint64_t level_;
};

/// Undefined where LibTorch has no forward formula.
torch::Tensor forward_mode_jvp(Denoiser& denoiser, const torch::Tensor& x,
                               const torch::Tensor& sigma, const torch::Tensor& v) {
  const torch::NoGradGuard no_graph;
  const DualLevel level;
  try {
    const auto product = level.tangent(denoiser.denoise(level.dual(x.detach(), v), sigma));
    return product.defined() ? product.clone() : product;
  } catch (const c10::Error&) {  // NotImplementedError or, from a custom function, the base class
    return {};
  }
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
  if (!transposed_.defined()) {
    const torch::AutoGradMode enable(true);
    dummy_ = torch::zeros_like(denoised_).detach().requires_grad_(true);
    transposed_ = torch::autograd::grad({denoised_}, {input_}, {dummy_}, /*retain_graph=*/true,
                                        /*create_graph=*/true)[0];
  }
  return torch::autograd::grad({transposed_}, {dummy_}, {v}, /*retain_graph=*/true)[0];
}

torch::Tensor DenoiserJacobian::exact_trace() const {
  auto trace = torch::zeros({input_.size(0)}, torch::kFloat64);
  const auto dim = input_[0].numel();
  for (int64_t i = 0; i < dim; ++i) {
    const auto unit = torch::zeros({input_.size(0), dim}, denoised_.detach().options());
    unit.select(1, i).fill_(1);
    trace +=
        vjp(unit.view(input_.sizes())).flatten(1).select(1, i).to(torch::kCPU, torch::kFloat64);
  }
  return trace;
}

torch::Tensor denoiser_jvp(Denoiser& denoiser, const torch::Tensor& x, const torch::Tensor& sigma,
                           const torch::Tensor& v) {
  const auto product = forward_mode_jvp(denoiser, x, sigma, v);
  return product.defined() ? product : DenoiserJacobian(denoiser, x, sigma).jvp(v);
}

}  // namespace halcyon
