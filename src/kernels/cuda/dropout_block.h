#pragma once

#include "kernels/cuda/block.h"

namespace halcyon::cuda {

inline constexpr int kDropoutThreads = 256;

/// Philox4x32 with 7 rounds (Salmon et al. 2011): four random words of a counter.
HALCYON_DEVICE void philox(uint32_t counter, uint64_t seed, uint32_t out[4]) {
  uint32_t c0 = counter, c1 = 0, c2 = 0, c3 = 0;
  auto k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 7; ++round) {
    const uint64_t p0 = static_cast<uint64_t>(c0) * 0xD2511F53U;
    const uint64_t p1 = static_cast<uint64_t>(c2) * 0xCD9E8D57U;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(p1);
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(p0);
    k0 += 0x9E3779B9U;
    k1 += 0xBB67AE85U;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/// As drop() of [0, count): the four words of counter 16 b + l belong to the numbers 64 b + l,
/// 64 b + l + 16, + 32 and + 48.  One counter a thread.
template <class T, class Block>
HALCYON_BLOCK void drop_block(const Block& block, const T* x, T* y, int64_t count,
                              const int64_t* seed, uint32_t threshold, float scale) {
  const int64_t counter = block.index() * block.threads() + block.thread();
  const int64_t first = counter / simd::kWidth * 4 * simd::kWidth + counter % simd::kWidth;
  if (first >= count) return;
  uint32_t words[4];
  philox(static_cast<uint32_t>(counter), static_cast<uint64_t>(*seed), words);
  for (int k = 0; k < 4; ++k) {
    const int64_t i = first + k * simd::kWidth;
    if (i >= count) return;
    const float kept = (words[k] >> 1) < (threshold >> 1) ? 0.0F : scale;
    simd::store_one(y + i, kept * simd::load_one(x + i));
  }
}

}  // namespace halcyon::cuda
