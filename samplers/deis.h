#pragma once

#include "samplers/sampler.h"

namespace halcyon {

/// DEIS (Zhang and Chen 2023): eps_hat = (x - D) / sigma of the last levels as a polynomial in
/// ln sigma, integrated exactly over sigma:
///
///     x_u = x_s + int_s^u sum_j eps_hat_j l_j(ln sigma) dsigma
///
/// `order` levels, 1 NFE a step.  The order grows from 1 at the start and falls to 1, which is
/// DDIM, at sigma = 0, where ln sigma has no value (order_of_step).
class DeisSampler final : public Sampler {
 public:
  /// order: 1 (DDIM), 2 or 3.
  explicit DeisSampler(int64_t order) : order_(order) {}

 private:
  torch::Tensor run(Denoiser&, torch::Tensor x, const std::vector<double>& sigmas,
                    NoiseSource&) const override;

  int64_t order_;
};

}  // namespace halcyon
