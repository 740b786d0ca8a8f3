#pragma once

#include <torch/types.h>

#include "core/denoiser.h"

namespace halcyon {

/// The exact denoiser of a finite set of images x_1 .. x_N, each as likely as the others:
///
///     D(x; sigma) = sum_i w_i x_i,    w = softmax_i(-|x - x_i|^2 / (2 sigma^2))
///
/// The least denoising loss on these images is its own, so that a network trained on them without
/// end becomes it; sampled from, it returns them: it memorises.  Its Jacobian is Cov_w(x_i) /
/// sigma^2, by differentiating in x as often as wanted.
///
/// At small sigma the exponents are differences of nearly equal numbers, divided by sigma^2.  Where
/// float32 would lose their digits, products in float32 only find the images that can matter, and
/// those are weighed again in float64.  A float64 x is always answered to float64 accuracy.
///
/// O(N d) a sample: two products with the images, and two more for a vector-Jacobian product.
class EmpiricalDenoiser final : public Denoiser {
 public:
  /// images: [N, ...] in model units; kept once, as float32, where they are.
  explicit EmpiricalDenoiser(const torch::Tensor& images);

  /// x: [B, ...] of d numbers each.
  torch::Tensor denoise(const torch::Tensor& x, const torch::Tensor& sigma) override;

  /// ln p(x; sigma) of the images blurred by the noise, in nats: [B] float64.
  torch::Tensor log_density(const torch::Tensor& x, const torch::Tensor& sigma) const;

  int64_t size() const { return images_.size(0); }
  int64_t dim() const { return images_.size(1); }

 private:
  /// The images that matter to some rows and the log of their weights, up to a constant a row.
  struct Posterior {
    torch::Tensor logits;  // [B, A]: (x . x_i - |x_i|^2 / 2) / sigma^2
    torch::Tensor images;  // [A, d]
  };

  /// x: [B, d]; variance: [B, 1] float64, sigma^2.
  Posterior posterior(const torch::Tensor& x, const torch::Tensor& variance) const;

  torch::Tensor images_;        // [N, d] float32
  torch::Tensor half_squares_;  // [N] float64: |x_i|^2 / 2
  double longest_;              // the greatest |x_i|
};

}  // namespace halcyon
