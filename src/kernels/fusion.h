#pragma once

#include <torch/types.h>

#include <functional>
#include <initializer_list>
#include <vector>

namespace halcyon {

/// Whether an operator written for first derivatives may take these: real numbers of 16 or 32
/// bits on the CPU, or on a GPU in a build with CUDA, and no tangents of forward-mode
/// differentiation.
bool fusable(std::initializer_list<torch::Tensor> inputs);

/// Whether a backward pass that was handed `gradient` is to be differentiated itself.
bool needs_graph(const torch::Tensor& gradient);

/// Scalars that are computed with: float64 for float64, else float32.
at::ScalarType accurate_type(at::ScalarType type);

/// The gradient of `composed(inputs)`, which must itself be differentiable: what a fused operator
/// answers in a backward pass of which a graph is made.  Undefined for inputs that need none.
std::vector<torch::Tensor> differentiable_gradient(
    const std::function<torch::Tensor(const std::vector<torch::Tensor>&)>& composed,
    const std::vector<torch::Tensor>& inputs, const torch::Tensor& gradient);

}  // namespace halcyon
