#pragma once

#include <torch/types.h>

#include "core/denoiser.h"

namespace halcyon {

/// Images and their codes by the probability-flow ODE, which can be run either way:
///
///     dx / d ln sigma = x - D(x; sigma),   x(sigma_min) = image,   code = x(sigma_max) / sigma_max
///
/// Codes of images of the model are about N(0, I) where sigma_max hides the data.  By the embedded
/// 5(4) pair of Dormand and Prince 1980 (integrate_dopri5), with steps as the tolerance asks for,
/// and the state in float64; a batch shares its steps.
class FlowCode {
 public:
  /// @throws ConfigError unless 0 < sigma_min < sigma_max and 0 < tolerance < 1.
  FlowCode(double sigma_min, double sigma_max, double tolerance);

  /// images: [B, ...].  Returns their codes, shaped as they are.
  torch::Tensor encode(Denoiser& denoiser, const torch::Tensor& images) const;
  /// The inverse, within the tolerance.
  torch::Tensor decode(Denoiser& denoiser, const torch::Tensor& codes) const;

 private:
  torch::Tensor flow(Denoiser& denoiser, const torch::Tensor& x, double from, double to) const;

  double sigma_min_, sigma_max_, tolerance_;
};

/// Spherical interpolation, over all numbers of a and b with the angle theta between them:
///
///     (sin((1 - t) theta) a + sin(t theta) b) / sin theta
///
/// Between draws of N(0, I) it keeps the length that such draws have.  t in [0, 1].
torch::Tensor slerp(const torch::Tensor& a, const torch::Tensor& b, double t);

}  // namespace halcyon
