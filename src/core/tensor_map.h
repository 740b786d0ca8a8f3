#pragma once

#include <torch/types.h>

#include <map>
#include <string>

namespace halcyon {

/// Tensors by name: what checkpoints are made of.
using TensorMap = std::map<std::string, torch::Tensor>;

/// The `expected` names, shapes and types against those of `found`.
/// @throws CheckpointError naming the first that differs, what was found and what was wanted.
void require_same_layout(const TensorMap& found, const TensorMap& expected);

/// Adds `part` to `whole`, every name after `prefix`.
void insert_with_prefix(TensorMap& whole, const std::string& prefix, const TensorMap& part);

/// The tensors whose names begin with `prefix`, by the rest of their names.
TensorMap with_prefix(const TensorMap& whole, const std::string& prefix);

}  // namespace halcyon
