#pragma once

#include <torch/nn/module.h>
#include <torch/types.h>

#include <string>
#include <vector>

#include "core/tensor_map.h"

namespace halcyon {

/// The parameters of a module as one contiguous vector, so that an average or an optimiser's moment
/// is one too.  Convolution weights lie in channels-last order.  The module goes on working: its
/// parameters are views, or, where it computes in fewer digits than they are kept in, copies.
class FlatParameters {
 public:
  /// A parameter and its place.
  struct Slot {
    std::string name;
    int64_t offset;
    std::vector<int64_t> shape;
    torch::Tensor parameter;  ///< the module's own

    int64_t count() const { return c10::multiply_integers(shape); }
    /// Its part of `flat`, shaped as the parameter.
    torch::Tensor view(const torch::Tensor& flat) const;
  };

  /// Call once the module is on its device.
  explicit FlatParameters(torch::nn::Module& module);

  const torch::Tensor& values() const { return values_; }
  const std::vector<Slot>& slots() const { return slots_; }

  /// Views of `flat`, which is laid out as values(), under the parameters' own names.
  TensorMap views(const torch::Tensor& flat) const;

  /// Forgets the gradients of the parameters and what was collected of them.
  void clear_gradients();
  /// Adds the gradients of the parameters to a vector laid out as values(), and forgets them:
  /// parts of a batch are summed in the digits of values().
  void collect_gradients();
  /// Adds a vector of all slots' numbers, one slot after the other without gaps, to the gradients,
  /// or to what was collected of them.
  void add_to_gradients(const torch::Tensor& more);
  /// Puts back gradients of the slots, and what was collected of them.
  void set_gradients(const std::vector<torch::Tensor>& gradients, torch::Tensor collected);
  /// What was collected; undefined if nothing was.
  const torch::Tensor& collected() const { return collected_; }

  /// Brings the copies up to date with values().
  void refresh_copies();

  int64_t count() const;

 private:
  std::vector<Slot> slots_;
  torch::Tensor values_;
  torch::Tensor collected_;
};

/// Lets the module compute with `values`, in their digits, for as long as it lives: to evaluate
/// an EMA.  Copies nothing.
class ScopedValues {
 public:
  ScopedValues(const FlatParameters& parameters, const torch::Tensor& values);
  ~ScopedValues();
  ScopedValues(const ScopedValues&) = delete;
  ScopedValues& operator=(const ScopedValues&) = delete;

 private:
  std::vector<torch::Tensor> parameters_;
  std::vector<torch::Tensor> saved_;
};

}  // namespace halcyon
