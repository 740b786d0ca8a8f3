#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <string>
#include <vector>

#include "core/tensor_map.h"

namespace halcyon {

/// The parameters of a module moved into one contiguous vector, and their gradients into another:
/// the optimiser, the EMA and the gradient norm are then a few operations on one tensor each.
/// The module goes on working; its parameters are views.
class FlatParameters {
 public:
  /// Call once the module is on its device.  Keeps no hold of the module.
  explicit FlatParameters(torch::nn::Module& module);

  const torch::Tensor& values() const { return values_; }
  /// Accumulated by backward(); zero it before each step.
  const torch::Tensor& gradients() const { return gradients_; }

  /// Views of `flat`, which is laid out as values(), under the parameters' own names.
  TensorMap views(const torch::Tensor& flat) const;

  int64_t count() const;

 private:
  struct Slot {
    std::string name;
    int64_t offset;
    std::vector<int64_t> shape;
  };

  std::vector<Slot> slots_;
  torch::Tensor values_;
  torch::Tensor gradients_;
};

/// Puts `values` into the parameters for as long as it lives: to evaluate an EMA.
class ScopedValues {
 public:
  ScopedValues(const FlatParameters& parameters, const torch::Tensor& values);
  ~ScopedValues();
  ScopedValues(const ScopedValues&) = delete;
  ScopedValues& operator=(const ScopedValues&) = delete;

 private:
  torch::Tensor target_;
  torch::Tensor saved_;
};

}  // namespace halcyon
