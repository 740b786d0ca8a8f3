#pragma once

#include <torch/types.h>

#include <map>
#include <string>

namespace halcyon {

/// Tensors by name: what checkpoints are made of.
using TensorMap = std::map<std::string, torch::Tensor>;

}  // namespace halcyon
