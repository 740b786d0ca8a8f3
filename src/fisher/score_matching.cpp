#include "fisher/score_matching.h"

#include "core/torch.h"
#include "fisher/denoiser_jacobian.h"

namespace halcyon {
namespace {

torch::Tensor inner_product(const torch::Tensor& a, const torch::Tensor& b) {
  return (a * b).flatten(1).sum(1, /*keepdim=*/false, torch::kFloat64);
}

/// The score of a batch and the quadratic form of its Jacobian.
struct ScoreAt {
  ScoreAt(Denoiser& denoiser, const torch::Tensor& x, const torch::Tensor& sigma)
      : jacobian(denoiser, x, sigma),
        variance(sigma.to(torch::kFloat64).square()),
        score((jacobian.denoised() - x) / per_sample(sigma, x).square()) {}

  /// v^T grad s v = (v^T A v - |v|^2) / sigma^2.
  torch::Tensor quadratic(const torch::Tensor& v) const {
    return (inner_product(jacobian.vjp(v), v) - inner_product(v, v)) / variance;
  }

  DenoiserJacobian jacobian;
  torch::Tensor variance;
  torch::Tensor score;
};

}  // namespace

torch::Tensor hyvarinen_loss(Denoiser& denoiser, const torch::Tensor& x,
                             const torch::Tensor& sigma) {
  const ScoreAt at(denoiser, x, sigma);
  const auto trace = at.jacobian.exact_trace().to(x.device()) - x[0].numel();
  return inner_product(at.score, at.score) + 2 * trace / at.variance;
}

torch::Tensor sliced_loss(Denoiser& denoiser, const torch::Tensor& x, const torch::Tensor& sigma,
                          const torch::Tensor& v) {
  const ScoreAt at(denoiser, x, sigma);
  return inner_product(v, at.score).square() + 2 * at.quadratic(v);
}

torch::Tensor sliced_loss_vr(Denoiser& denoiser, const torch::Tensor& x, const torch::Tensor& sigma,
                             const torch::Tensor& v) {
  const ScoreAt at(denoiser, x, sigma);
  return inner_product(at.score, at.score) + 2 * at.quadratic(v);
}

}  // namespace halcyon
