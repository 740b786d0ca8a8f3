#pragma once

#include "core/linear_operator.h"
#include "samplers/sampler.h"

namespace halcyon {

struct RepaintOptions {
  int64_t resamplings = 10;
  int64_t jump = 1;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.resamplings, "resamplings", "times that each stretch is walked, > 0 (repaint)");
    field(self.jump, "jump", "levels of a stretch, > 0 (repaint)");
  }
};

/// Inpainting by DDPM steps whose seen pixels are put in from the measurement (Lugmayr et al. 2022,
/// RePaint): at noise level u, y + sqrt(u^2 - S^2) n, as long as u >= S.  Each stretch of `jump`
/// steps is walked `resamplings` times, with noise back up to its beginning in between, so that the
/// unseen pixels come to agree with the seen; those that end below S once.  Up to `resamplings` NFE
/// per step.
class RepaintSampler final : public Sampler {
 public:
  /// y: [B, m] of the batch to be drawn; noise: S.
  /// @throws ConfigError for an operator that is no mask, or options out of range
  RepaintSampler(const LinearOperator& measure, const torch::Tensor& y, double noise,
                 const RepaintOptions& options);

 private:
  torch::Tensor run(Denoiser&, torch::Tensor x, const std::vector<double>& sigmas,
                    NoiseSource&) const override;
  /// x with the seen pixels as at noise level u; n ~ N(0, I).
  torch::Tensor with_seen(const torch::Tensor& x, double u, const torch::Tensor& n) const;
  torch::Tensor step(Denoiser&, const torch::Tensor& x, double from, double to, NoiseSource&) const;

  double noise_;
  RepaintOptions options_;
  torch::Tensor seen_;  // [1, C, H, W]
  torch::Tensor y_;     // as images, 0 where nothing is seen
};

}  // namespace halcyon
