#pragma once

#include <torch/types.h>

#include <cstdint>

namespace halcyon::cuda {

/// The most memory of a GPU that LibTorch has held at once for this process, in bytes, since the
/// last reset_peak_memory() of it.
int64_t peak_memory(torch::Device device);

/// Gives back what is held and not in use, and forgets the peak.
void reset_peak_memory(torch::Device device);

}  // namespace halcyon::cuda
