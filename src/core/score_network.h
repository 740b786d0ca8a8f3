#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

namespace halcyon {

/// A raw network F(x; c_noise, label).  It knows nothing of noise levels: a Preconditioning
/// scales what goes in and comes out, and makes a Denoiser of it.
class ScoreNetwork : public torch::nn::Module {
 public:
  /// x: [B, C, H, W], about unit variance; c_noise: [B], the conditioning of the noise level;
  /// label: [B] int64 class indices, or undefined for "no class".  Returns a tensor shaped as x.
  virtual torch::Tensor forward(const torch::Tensor& x, const torch::Tensor& c_noise,
                                const torch::Tensor& label) = 0;

  /// Number of classes the network is conditioned on; 0 if it takes no label.
  virtual int64_t num_classes() const { return 0; }

  /// From now on works in `type`, float32 or bfloat16, inside: what is large goes to it, what is
  /// small and wants digits stays.  What goes in and comes out is as before.
  virtual void use_type(at::ScalarType) {}

  /// The weights stay as they are from now on, until use_type(): evaluations without gradients may
  /// prepare them once for all.
  virtual void fix_weights() {}

  /// From the next evaluation on, only one of `every` evaluations without gradients computes the
  /// coarse features; those between take the last ones, which change little from one noise level of
  /// a sampler to the next (Ma, Fang and Wang 2024).  1: all do.  Call anew for each batch of
  /// images.
  virtual void reuse_features(int64_t /*every*/) {}

  /// From now on, on a GPU, evaluations without gradients are recorded and replayed (CUDA graphs):
  /// the same numbers with less work for the CPU, and more memory.
  virtual void replay_evaluations(bool) {}

  /// From now on keeps less of a training step's forward pass, and computes it again in the
  /// backward pass: the same gradients from less memory and more time.
  virtual void recompute_features(bool) {}

  /// Where dropout draws from (train mode only), so that a run can be repeated and resumed.
  virtual void use_generator(const at::Generator&) {}
};

}  // namespace halcyon
