#pragma once

#include <torch/types.h>

#include <map>
#include <mutex>
#include <string>
#include <utility>

namespace halcyon {

/// A tensor that never changes, wherever it is needed: the first use on a device copies it there,
/// later ones wait for nothing.  May be used from several threads.
class DeviceConstant {
 public:
  explicit DeviceConstant(torch::Tensor value) : value_(std::move(value)) {}

  int64_t size() const { return value_.numel(); }

  torch::Tensor on(torch::Device device) const {
    if (device == value_.device()) return value_;
    const std::lock_guard lock(mutex_);
    auto& copy = copies_[device.str()];
    if (!copy.defined()) copy = value_.to(device);
    return copy;
  }

 private:
  torch::Tensor value_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, torch::Tensor> copies_;
};

}  // namespace halcyon
