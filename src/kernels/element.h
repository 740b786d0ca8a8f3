#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/loop_types.h"

#ifdef __CUDACC__
#include <cuda_bf16.h>
/// For functions that run on the CPU and on a CUDA device.
#define HALCYON_DEVICE __host__ __device__ __forceinline__
#else
#define HALCYON_DEVICE inline __attribute__((always_inline))
#endif

namespace halcyon::simd {

HALCYON_DEVICE float load_one(const float* from) { return *from; }
HALCYON_DEVICE float load_one(const BFloat16* from) {
  const uint32_t bits = static_cast<uint32_t>(from->bits) << 16;
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/// To the nearest, ties to even; NaN, as arithmetic makes it, stays NaN.
HALCYON_DEVICE BFloat16 rounded(float x) {
#ifdef __CUDA_ARCH__
  return {__bfloat16_as_ushort(__float2bfloat16_rn(x))};
#else
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return {static_cast<uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16)};
#endif
}

HALCYON_DEVICE void store_one(float* to, float x) { *to = x; }
HALCYON_DEVICE void store_one(BFloat16* to, float x) { *to = rounded(x); }

}  // namespace halcyon::simd

namespace halcyon::cuda {

/// exp(x) and a / b, on a device to within 2 units in the last place and 2 |x| of them.
HALCYON_DEVICE float fast_exp(float x) {
#ifdef __CUDA_ARCH__
  return __expf(x);
#else
  return std::exp(x);
#endif
}

HALCYON_DEVICE float fast_ratio(float a, float b) {
#ifdef __CUDA_ARCH__
  return __fdividef(a, b);
#else
  return a / b;
#endif
}

}  // namespace halcyon::cuda
