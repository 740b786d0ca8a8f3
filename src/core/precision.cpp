#include "core/precision.h"

#include <ATen/detail/CUDAHooksInterface.h>

namespace halcyon {

static bool has_fast_bfloat16(torch::Device device) {
  if (device.is_cuda()) return at::detail::getCUDAHooks().supportsBFloat16ConvolutionWithCuDNNv8();
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16") != 0;
#else
  return false;
#endif
}

Precision resolved(Precision precision, torch::Device device) {
  if (precision != Precision::automatic) return precision;
  return has_fast_bfloat16(device) ? Precision::bf16 : Precision::fp32;
}

}  // namespace halcyon
