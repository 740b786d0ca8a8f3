#pragma once

#include <torch/types.h>

#include <functional>
#include <vector>

namespace halcyon {

using TensorMapping = std::function<torch::Tensor(const std::vector<torch::Tensor>&)>;

/// f(inputs), of which only the inputs are kept for the backward pass: it computes the rest again
/// (gradient checkpointing; Chen et al. 2016).  What f draws, it draws from `rng` only, and draws
/// alike both times; an undefined `rng` is for what draws nothing.
///
/// Gradients of the parameters in f are added to their grad() during a backward pass, so this is
/// for training: not for torch::autograd::grad by them, nor for second derivatives.
torch::Tensor recomputed(TensorMapping f, const std::vector<torch::Tensor>& inputs,
                         const at::Generator& rng);

}  // namespace halcyon
