#pragma once

#include <torch/types.h>

#include <vector>

namespace halcyon {

/// An estimate of E[x_0 | x], where x = x_0 + sigma n and n ~ N(0, I): the one interface
/// between what is learned (models/), what uses it (samplers/, fisher/), and the tests.
class Denoiser {
 public:
  virtual ~Denoiser() = default;

  /// x: [B, ...]; sigma: [B], > 0.  Returns D(x; sigma), shaped, typed and placed as x.
  virtual torch::Tensor denoise(const torch::Tensor& x, const torch::Tensor& sigma) = 0;
};

/// Views a per-sample [B] tensor as [B, 1, 1, ...] so that it broadcasts against `like`.
inline torch::Tensor per_sample(const torch::Tensor& v, const torch::Tensor& like) {
  std::vector<int64_t> shape(static_cast<size_t>(like.dim()), 1);
  shape[0] = v.size(0);
  return v.view(shape);
}

/// grad_x log p(x; sigma) = (D(x; sigma) - x) / sigma^2  (Karras et al. 2022, eq. 3).
inline torch::Tensor score(Denoiser& denoiser, const torch::Tensor& x, const torch::Tensor& sigma) {
  return (denoiser.denoise(x, sigma) - x) / per_sample(sigma, x).square();
}

/// Counts network evaluations per sample (NFE): a decorator, so that samplers need not count.
class CountingDenoiser final : public Denoiser {
 public:
  explicit CountingDenoiser(Denoiser& inner) : inner_(inner) {}

  torch::Tensor denoise(const torch::Tensor& x, const torch::Tensor& sigma) override {
    ++nfe_;
    return inner_.denoise(x, sigma);
  }

  int64_t nfe() const { return nfe_; }

 private:
  Denoiser& inner_;
  int64_t nfe_ = 0;
};

}  // namespace halcyon
