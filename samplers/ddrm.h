#pragma once

#include "core/linear_operator.h"
#include "samplers/sampler.h"

namespace halcyon {

struct DdrmOptions {
  double eta = 0.85;
  double eta_b = 1;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.eta, "eta", "share of the noise that is drawn anew, in [0, 1] (ddrm)");
    field(self.eta_b, "eta_b", "share of the measurement in what it knows, in [0, 1] (ddrm)");
  }
};

/// Restoration in the singular coordinates of A (Kawar et al. 2022, DDRM), for y = A x + S n.  With
/// w = U^T y / s, of noise S / s, D in these coordinates, and u the next noise level,
///
///     s = 0      x' ~ N(D + sqrt(1 - eta^2) u (x - D) / sigma,     eta^2 u^2)
///     u < S / s  x' ~ N(D + sqrt(1 - eta^2) u (w - D) / (S / s),   eta^2 u^2)
///     else       x' ~ N((1 - eta_b) D + eta_b w,                   u^2 - eta_b^2 S^2 / s^2)
///
/// 1 NFE per step, and no gradient.  Not the posterior, not even on fine grids: docs/restore.md.
class DdrmSampler final : public Sampler {
 public:
  /// y: [B, ...] of the batch to be drawn; noise: S.  @throws ConfigError for options out of range
  DdrmSampler(const LinearOperator& measure, torch::Tensor y, double noise,
              const DdrmOptions& options);

 private:
  torch::Tensor run(Denoiser&, torch::Tensor x, const std::vector<double>& sigmas,
                    NoiseSource&) const override;
  /// x at noise level `from`, denoised and n, all in singular coordinates, to level `to`.
  torch::Tensor step(const torch::Tensor& x, const torch::Tensor& denoised, const torch::Tensor& n,
                     double from, double to) const;

  const LinearOperator& measure_;
  double noise_;
  DdrmOptions options_;
  torch::Tensor s_;  // [d]
  torch::Tensor w_;  // [B, d]: U^T y / s, 0 where s = 0
};

}  // namespace halcyon
