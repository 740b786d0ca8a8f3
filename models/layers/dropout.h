#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

namespace halcyon {

/// Sets each element to 0 with probability p and divides the others by 1 - p.  Draws from the
/// generator it was given and no other, so that a run can be repeated; the identity in eval mode
/// and for p = 0.
class Dropout final : public torch::nn::Module {
 public:
  explicit Dropout(double p) : p_(p) {}

  /// The generator is shared, not copied: drawing here advances the caller's.
  void use_generator(const at::Generator& rng) { rng_ = rng; }

  /// Needs use_generator() first where it draws.
  torch::Tensor forward(const torch::Tensor& x);

 private:
  double p_;
  at::Generator rng_;
};

}  // namespace halcyon
