#include "kernels/cuda/device_memory.h"

#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>

namespace halcyon::cuda {
namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;

c10::DeviceIndex index_of(torch::Device device) {
  return device.has_index() ? device.index() : c10::cuda::current_device();
}

}  // namespace

int64_t peak_memory(torch::Device device) {
  constexpr size_t kAggregate = 0;  // of large and small blocks
  return allocator::getDeviceStats(index_of(device)).reserved_bytes[kAggregate].peak;
}

void reset_peak_memory(torch::Device device) {
  allocator::emptyCache();
  allocator::resetPeakStats(index_of(device));
}

}  // namespace halcyon::cuda
