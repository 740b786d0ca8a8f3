#pragma once

#include <torch/types.h>

#include <vector>

#include "core/denoiser.h"
#include "core/random.h"

namespace halcyon {

/// A rule that carries samples from noise to data down a grid of noise levels.  Immutable:
/// what a run needs to remember lives in local variables of run().
class Sampler {
 public:
  virtual ~Sampler() = default;

  /// x: [B, ...] at noise level sigmas.front().  Returns x at sigmas.back().
  /// sigmas: at least two, strictly decreasing; only the last may be 0.
  /// All randomness comes from `noise`, which is of B samples.
  torch::Tensor sample(Denoiser& denoiser, const torch::Tensor& x,
                       const std::vector<double>& sigmas, NoiseSource& noise) const;

 private:
  virtual torch::Tensor run(Denoiser& denoiser, torch::Tensor x, const std::vector<double>& sigmas,
                            NoiseSource& noise) const = 0;
};

/// Samples first .. first + shape[0] - 1 of `seed`, from x ~ N(0, sigmas.front()^2 I) of the given
/// shape [B, ...].  Sample k does not depend on the batch that it is drawn in.
torch::Tensor draw_samples(const Sampler& sampler, Denoiser& denoiser,
                           const std::vector<int64_t>& shape, const std::vector<double>& sigmas,
                           uint64_t seed, int64_t first, torch::TensorOptions options = {});

/// D(x; sigma) with one noise level for the whole batch.
torch::Tensor denoise_at(Denoiser& denoiser, const torch::Tensor& x, double sigma);

}  // namespace halcyon
