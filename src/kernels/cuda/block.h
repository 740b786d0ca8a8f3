#pragma once

#include <cstdint>

#include "kernels/element.h"

namespace halcyon::cuda {

// Kernels are written as functions of a block of threads, so that tests can run them on the CPU
// with a block of their own.  A Block has
//     int thread() const, threads() const    the thread that calls, of how many
//     int64_t index() const                  the block, of all those of a launch
//     void sync() const                      waits for all threads of the block
// and shared memory is handed in as a pointer.

#ifdef __CUDACC__
struct DeviceBlock {
  __device__ int thread() const { return static_cast<int>(threadIdx.x); }
  __device__ int threads() const { return static_cast<int>(blockDim.x); }
  __device__ int64_t index() const { return blockIdx.x; }
  __device__ void sync() const { __syncthreads(); }
};
#define HALCYON_BLOCK __device__ __forceinline__
#else
#define HALCYON_BLOCK inline
#endif

/// Four numbers that lie together; loads and stores want an address that is a multiple of four of
/// them.
struct alignas(16) Quad {
  float v[4];
};
struct alignas(8) HalfQuad {
  simd::BFloat16 v[4];
};

HALCYON_DEVICE Quad load_quad(const float* from) { return *reinterpret_cast<const Quad*>(from); }
HALCYON_DEVICE Quad load_quad(const simd::BFloat16* from) {
  const HalfQuad half = *reinterpret_cast<const HalfQuad*>(from);
  Quad quad;
  for (int i = 0; i < 4; ++i) quad.v[i] = simd::load_one(half.v + i);
  return quad;
}

HALCYON_DEVICE void store_quad(float* to, const Quad& x) { *reinterpret_cast<Quad*>(to) = x; }
HALCYON_DEVICE void store_quad(simd::BFloat16* to, const Quad& x) {
  HalfQuad half;
  for (int i = 0; i < 4; ++i) half.v[i] = simd::rounded(x.v[i]);
  *reinterpret_cast<HalfQuad*>(to) = half;
}

/// The largest power of two that is at most n, >= 1.
HALCYON_DEVICE int power_of_two_below(int n) {
  int power = 1;
  while (2 * power <= n) power *= 2;
  return power;
}

}  // namespace halcyon::cuda
