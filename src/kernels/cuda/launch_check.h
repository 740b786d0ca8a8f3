#pragma once

#include <cuda_runtime.h>

#include <stdexcept>
#include <string>

namespace halcyon::cuda {

/// @throws std::runtime_error if the launch before it was refused.
inline void check_launch(const char* kernel) {
  const auto status = cudaGetLastError();
  if (status != cudaSuccess) {
    throw std::runtime_error(std::string("CUDA kernel ") + kernel + ": " +
                             cudaGetErrorString(status));
  }
}

}  // namespace halcyon::cuda
