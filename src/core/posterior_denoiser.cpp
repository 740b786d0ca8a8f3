#include "core/posterior_denoiser.h"

#include <algorithm>

#include "core/torch.h"

namespace halcyon {
namespace {

/// r^2 = sigma^2 v / (sigma^2 + v): [B, 1].
torch::Tensor isotropic_variance(const torch::Tensor& sigma, double variance) {
  const auto square = sigma.square().unsqueeze(1);
  return square * variance / (square + variance);
}

}  // namespace

torch::Tensor IsotropicWeight::weigh(const torch::Tensor& residual,
                                     const torch::Tensor& sigma) const {
  const auto s = measure_.singular_values(residual);
  const auto total = isotropic_variance(sigma, variance_) * s.square() + noise_ * noise_;
  const auto w = measure_.measured(residual);
  // What A loses has no weight, and without noise would be 0 / 0.
  return measure_.from_measured(torch::where(s > 0, w / total, torch::zeros_like(w)));
}

GaussianWeight::GaussianWeight(const LinearOperator& measure, const torch::Tensor& covariance,
                               double noise) {
  const auto [variances, basis] =
      torch::linalg_eigh(covariance.to(torch::kCPU, torch::kFloat64), "L");
  const auto& shape = measure.image_shape();
  variances_ = variances.clamp_min(0);
  measured_ = measure.apply(basis.t().reshape({-1, shape[0], shape[1], shape[2]})).flatten(1).t();
  noise_variance_ = std::max(noise * noise, 1e-10 * variances_.mean().item<double>());
}

torch::Tensor GaussianWeight::weigh(const torch::Tensor& residual,
                                    const torch::Tensor& sigma) const {
  const double level = sigma[0].item<double>();
  TORCH_CHECK((sigma == level).all().item<bool>(), "GaussianWeight: want one noise level a batch");
  const double square = level * level;
  auto covariance =
      (measured_ * (square * variances_ / (variances_ + square))).matmul(measured_.t());
  covariance.diagonal().add_(noise_variance_);
  const auto r = residual.flatten(1).t().to(torch::kCPU, torch::kFloat64);
  const auto solved = torch::cholesky_solve(r, torch::linalg_cholesky(covariance)).t();
  return solved.reshape(residual.sizes()).to(residual.device(), residual.scalar_type());
}

torch::Tensor NormWeight::weigh(const torch::Tensor& residual, const torch::Tensor& sigma) const {
  const auto s = measure_.singular_values(residual);
  const auto size = static_cast<double>(measure_.measurement_size());
  const auto expected =
      (isotropic_variance(sigma, variance_) * s.square().sum() + size * noise_ * noise_)
          .sqrt();  // [B, 1]
  const auto length = residual.flatten(1).norm(2, 1, /*keepdim=*/true).clamp_min(1e-30);
  return per_sample((zeta_ * size / (expected * length)).squeeze(1), residual) * residual;
}

torch::Tensor PosteriorDenoiser::denoise(const torch::Tensor& x, const torch::Tensor& sigma) {
  const torch::AutoGradMode enable(true);
  const auto input = x.detach().requires_grad_(true);
  const auto denoised = inner_.denoise(input, sigma);
  const auto mean = denoised.detach();
  const auto weighted = weight_.weigh(y_ - measure_.apply(mean), sigma);
  const auto gradient =
      torch::autograd::grad({denoised}, {input}, {measure_.transpose(weighted)})[0];
  return (mean + per_sample(sigma, x).square() * gradient).detach();
}

}  // namespace halcyon
