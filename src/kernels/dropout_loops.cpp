#include "kernels/dropout_loops.h"

#include "kernels/simd.h"

namespace halcyon {
namespace {

using simd::BitLanes;
using simd::kWidth;
using simd::Lanes;

typedef uint64_t WideLanes __attribute__((vector_size(128), aligned(4), may_alias));

struct Words {
  BitLanes high, low;
};

HALCYON_INLINE Words product(BitLanes a, uint32_t b) {
  const WideLanes wide = __builtin_convertvector(a, WideLanes) * b;
  return {__builtin_convertvector(wide >> 32, BitLanes), __builtin_convertvector(wide, BitLanes)};
}

/// Philox4x32 with 7 rounds (Salmon et al. 2011), a counter in each lane: four random words each.
HALCYON_INLINE void philox(BitLanes counter, uint64_t seed, BitLanes out[4]) {
  BitLanes c0 = counter, c1 = {}, c2 = {}, c3 = {};
  auto k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < 7; ++round) {
    const Words p0 = product(c0, 0xD2511F53U);
    const Words p1 = product(c2, 0xCD9E8D57U);
    c0 = p1.high ^ c1 ^ k0;
    c1 = p1.low;
    c2 = p0.high ^ c3 ^ k1;
    c3 = p0.low;
    k0 += 0x9E3779B9U;
    k1 += 0xBB67AE85U;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

constexpr int64_t kBlock = 4 * kWidth;  // numbers of one counter in each lane

template <class T>
HALCYON_INLINE void drop_range(const T* x, T* y, int64_t first, int64_t last, uint64_t seed,
                               uint32_t threshold, float scale) {
  BitLanes lane;
  for (uint32_t k = 0; k < kWidth; ++k) lane[k] = k;
  for (int64_t block = first / kBlock; block * kBlock < last; ++block) {
    BitLanes words[4];
    philox(lane + static_cast<uint32_t>(block * kWidth), seed, words);
    for (int64_t k = 0; k < 4; ++k) {
      const int64_t i = block * kBlock + k * kWidth;
      if (i + kWidth <= first || i >= last) continue;
      // words < threshold, to 31 bits so that the difference has a sign
      const auto difference = std::bit_cast<simd::IntLanes>((words[k] >> 1) - (threshold >> 1));
      const Lanes kept = simd::select(difference >> 31, simd::splat(0.0F), simd::splat(scale));
      if (i >= first && i + kWidth <= last) {
        simd::store(y + i, kept * simd::load(x + i));
        continue;
      }
      for (int64_t j = i < first ? first : i; j < i + kWidth && j < last; ++j) {
        simd::store_one(y + j, kept[j - i] * simd::load_one(x + j));
      }
    }
  }
}

}  // namespace

HALCYON_MULTIVERSION
void drop(const float* x, float* y, int64_t first, int64_t last, uint64_t seed, uint32_t threshold,
          float scale) {
  drop_range(x, y, first, last, seed, threshold, scale);
}

HALCYON_MULTIVERSION
void drop(const simd::BFloat16* x, simd::BFloat16* y, int64_t first, int64_t last, uint64_t seed,
          uint32_t threshold, float scale) {
  drop_range(x, y, first, last, seed, threshold, scale);
}

}  // namespace halcyon
