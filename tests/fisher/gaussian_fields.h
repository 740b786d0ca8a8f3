#pragma once

#include <cmath>
#include <numbers>

#include "core/gaussian_mixture.h"
#include "core/torch.h"

namespace halcyon::testing {

/// Gaussian of variances 4, 1, 1/4 and 0, along axes turned by a random rotation.
inline GaussianMixture deficient_gaussian(at::Generator& rng) {
  const auto basis = std::get<0>(torch::linalg_qr(torch::randn({4, 4}, rng, torch::kFloat64)));
  return {torch::ones({1}), torch::full({1, 4}, 0.3),
          torch::tensor({4.0, 1.0, 0.25, 0.0}, torch::kFloat64), basis};
}

/// Halves at -2 u and 2 u, u along the diagonal of 16 dimensions, of variance 1/4.
inline GaussianMixture two_bumps() {
  const auto u = torch::full({16}, 0.25, torch::kFloat64);
  return {torch::full({2}, 0.5), torch::stack({-2 * u, 2 * u}), torch::full({16}, 0.25)};
}

/// 8x8 images of rank 5: the DCT-II modes (0,0), (0,1), (1,0), (1,1), (0,2) with variances
/// 16, 4, 4, 1 and 1/4.
inline GaussianMixture low_rank_field() {
  const auto point = torch::arange(8, torch::kFloat64) + 0.5;
  const auto frequency = torch::arange(8, torch::kFloat64).unsqueeze(1);
  auto dct = (std::numbers::pi / 8 * frequency * point).cos() / 2;
  dct[0] /= std::numbers::sqrt2;
  auto variances = torch::zeros({8, 8}, torch::kFloat64);
  variances[0][0] = 16;
  variances[0][1] = variances[1][0] = 4;
  variances[1][1] = 1;
  variances[0][2] = 0.25;
  return {torch::ones({1}), torch::zeros({1, 64}), variances.flatten(), torch::kron(dct, dct).t()};
}

/// Stationary field on the periodic 16x16 grid with spectrum (1 + |k|^2)^(-3/2), k in -8 .. 7.
inline GaussianMixture stationary_field() {
  const auto point = torch::arange(16, torch::kFloat64) * (2 * std::numbers::pi / 16);
  std::vector<torch::Tensor> waves;
  std::vector<double> wave_numbers;
  for (int k = 0; k <= 8; ++k) {
    waves.push_back((k * point).cos());
    wave_numbers.push_back(k);
    if (k == 0 || k == 8) continue;
    waves.push_back((k * point).sin());
    wave_numbers.push_back(k);
  }
  auto basis = torch::stack(waves, 1);
  basis = basis / basis.norm(2, {0}, true);
  const auto k2 = torch::tensor(wave_numbers, torch::kFloat64).square();
  const auto variances = (1 + k2.unsqueeze(1) + k2).pow(-1.5).flatten();
  return {torch::ones({1}), torch::zeros({1, 256}), variances, torch::kron(basis, basis)};
}

/// s + kappa K x in place of the score s of `truth`, K the rotation of the first two coordinates.
class RotatedScore final : public Denoiser {
 public:
  RotatedScore(Denoiser& truth, double kappa) : truth_(truth), kappa_(kappa) {}

  torch::Tensor denoise(const torch::Tensor& x, const torch::Tensor& sigma) override {
    const auto turned = torch::cat(
        {x.narrow(1, 1, 1), -x.narrow(1, 0, 1), torch::zeros_like(x.narrow(1, 2, x.size(1) - 2))},
        1);
    return truth_.denoise(x, sigma) + per_sample(sigma, x).square() * kappa_ * turned;
  }

 private:
  Denoiser& truth_;
  double kappa_;
};

/// `count` draws of x_0 + sigma n.
inline torch::Tensor noisy(const GaussianMixture& data, int64_t count, double sigma,
                           at::Generator& rng) {
  const auto x0 = data.sample(count, rng);
  return x0 + sigma * torch::randn(x0.sizes(), rng, x0.options());
}

/// [N, d, d]: grad D at every sample, row by row.
inline torch::Tensor dense_jacobian(Denoiser& denoiser, const torch::Tensor& x, double sigma) {
  const auto input = x.detach().requires_grad_(true);
  const auto denoised = denoiser.denoise(input, torch::full({x.size(0)}, sigma, x.options()));
  std::vector<torch::Tensor> rows;
  for (int64_t i = 0; i < x.size(1); ++i) {
    rows.push_back(torch::autograd::grad({denoised.select(1, i).sum()}, {input}, {}, true)[0]);
  }
  return torch::stack(rows, 1);
}

}  // namespace halcyon::testing
