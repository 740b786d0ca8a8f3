#pragma once

#include <torch/types.h>

namespace halcyon {

struct GroupNormTask {
  int64_t groups = 32;  ///< divides the channels
  double eps = 1e-6;
  bool activate = true;  ///< SiLU after it
};

/// What a noise level does to a group norm, each [B or 1, C], or undefined for nothing.
struct Modulation {
  torch::Tensor add = {};    ///< to x, before the norm
  torch::Tensor scale = {};  ///< the norm is multiplied by 1 + scale
  torch::Tensor shift = {};  ///< and this added to it
};

/// Group normalisation (Wu and He 2018) with what surrounds it in a residual block:
///
///     y = act(norm(x + add) (1 + scale) + shift),  act = SiLU or the identity
///
/// x: [B, C, H, W]; weight, bias: [C].  Statistics and arithmetic are float32 for x in float32 or
/// bfloat16 and float64 for float64; the result is typed as x.  With a multiple of 32 channels in a
/// whole number of groups it is one pass over each image forward and one backward, in
/// channels-last memory, on the CPU and, in a build with CUDA, on a GPU; everywhere else, and for
/// second and forward-mode derivatives, it is group_norm_composed().
torch::Tensor group_norm(const torch::Tensor& x, const torch::Tensor& weight,
                         const torch::Tensor& bias, const GroupNormTask& task,
                         const Modulation& modulation = {});

struct NormBranch {
  torch::Tensor normed;
  torch::Tensor x;  ///< the argument, to go past the norm
};

/// The same where x goes past the norm too: the two gradients of x are then added where the norm's
/// is made, instead of in a pass of their own.
NormBranch group_norm_branch(const torch::Tensor& x, const torch::Tensor& weight,
                             const torch::Tensor& bias, const GroupNormTask& task,
                             const Modulation& modulation = {});

/// The same as group_norm() of LibTorch's operators.
torch::Tensor group_norm_composed(const torch::Tensor& x, const torch::Tensor& weight,
                                  const torch::Tensor& bias, const GroupNormTask& task,
                                  const Modulation& modulation = {});

}  // namespace halcyon
