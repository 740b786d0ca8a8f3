#pragma once

#include <c10/core/DeviceGuard.h>
#include <torch/types.h>

#include "kernels/cuda/launch.h"
#include "kernels/cuda/stream.h"

namespace halcyon::cuda {

/// Makes a device the current one for as long as it lives, and has its stream.
class DeviceWork {
 public:
  explicit DeviceWork(torch::Device device) : guard_(device), stream_(current_stream()) {}
  Stream stream() const { return stream_; }

 private:
  c10::DeviceGuard guard_;
  Stream stream_;
};

/// Whether the numbers lie at an address that kernels read in fours.
inline bool is_aligned(const torch::Tensor& t) {
  return reinterpret_cast<uintptr_t>(t.data_ptr()) % 16 == 0;
}

}  // namespace halcyon::cuda
