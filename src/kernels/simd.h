#pragma once

#include <bit>
#include <cstdint>
#include <limits>

#include "kernels/element.h"
#include "kernels/loop_types.h"

/// One loop, compiled for several instruction sets; the processor's is chosen when the program
/// starts.  What is called inside must be HALCYON_INLINE, so that it becomes part of each.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)
#define HALCYON_MULTIVERSION \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define HALCYON_MULTIVERSION
#endif
#define HALCYON_INLINE inline __attribute__((always_inline))
#define HALCYON_INLINE_LAMBDA __attribute__((always_inline))

namespace halcyon::simd {

/// kWidth numbers: one AVX-512 register, two of AVX2.
typedef float Lanes __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t IntLanes __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint32_t BitLanes __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint16_t HalfLanes __attribute__((vector_size(32), aligned(2), may_alias));

HALCYON_INLINE Lanes splat(float x) { return Lanes{} + x; }

HALCYON_INLINE Lanes load(const float* from) { return *reinterpret_cast<const Lanes*>(from); }

HALCYON_INLINE Lanes load(const BFloat16* from) {
  const auto half = *reinterpret_cast<const HalfLanes*>(from);
  return std::bit_cast<Lanes>(__builtin_convertvector(half, BitLanes) << 16);
}

HALCYON_INLINE void store(float* to, Lanes x) { *reinterpret_cast<Lanes*>(to) = x; }

/// To the nearest, ties to even; NaN, as arithmetic makes it, stays NaN.
HALCYON_INLINE void store(BFloat16* to, Lanes x) {
  const auto bits = std::bit_cast<BitLanes>(x);
  const BitLanes rounded = (bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16;
  *reinterpret_cast<HalfLanes*>(to) = __builtin_convertvector(rounded, HalfLanes);
}

/// 2 kWidth numbers that lie together.  Of bfloat16 `a` has those at even places and `b` those at
/// odd ones, which takes no shuffling: a word of 32 bits holds one of each.
struct Pair {
  Lanes a, b;
};

HALCYON_INLINE Pair load_pair(const float* from) { return {load(from), load(from + kWidth)}; }

HALCYON_INLINE Pair load_pair(const BFloat16* from) {
  const BitLanes words = *reinterpret_cast<const BitLanes*>(from);
  return {std::bit_cast<Lanes>(words << 16), std::bit_cast<Lanes>(words & 0xffff0000U)};
}

HALCYON_INLINE void store_pair(float* to, const Pair& x) {
  store(to, x.a);
  store(to + kWidth, x.b);
}

/// Rounds as store() does.
HALCYON_INLINE void store_pair(BFloat16* to, const Pair& x) {
  const auto rounded = [](Lanes lanes) HALCYON_INLINE_LAMBDA {
    const auto bits = std::bit_cast<BitLanes>(lanes);
    return bits + 0x7fffU + ((bits >> 16) & 1U);
  };
  *reinterpret_cast<BitLanes*>(to) = (rounded(x.a) >> 16) | (rounded(x.b) & 0xffff0000U);
}

/// 2 kWidth numbers of a table in the order in which load_pair() of T has its own.
template <class T>
HALCYON_INLINE Pair load_table(const float* from) {
  if constexpr (sizeof(T) == sizeof(float)) return load_pair(from);
  const Lanes x = load(from);
  const Lanes y = load(from + kWidth);
  return {__builtin_shufflevector(x, y, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30),
          __builtin_shufflevector(x, y, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31)};
}

template <class T>
HALCYON_INLINE void store_table(float* to, const Pair& x) {
  if constexpr (sizeof(T) == sizeof(float)) return store_pair(to, x);
  store(to,
        __builtin_shufflevector(x.a, x.b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23));
  store(to + kWidth, __builtin_shufflevector(x.a, x.b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29,
                                             14, 30, 15, 31));
}

/// The first `count` of Lanes, `fill` behind.
template <class T>
HALCYON_INLINE Lanes load_some(const T* from, int64_t count, float fill) {
  if (count == kWidth) return load(from);
  Lanes x = splat(fill);
  for (int64_t i = 0; i < count; ++i) x[i] = load_one(from + i);
  return x;
}

template <class T>
HALCYON_INLINE void store_some(T* to, Lanes x, int64_t count) {
  if (count == kWidth) return store(to, x);
  for (int64_t i = 0; i < count; ++i) store_one(to + i, x[i]);
}

HALCYON_INLINE double sum(Lanes x) {
  double total = 0;
  for (int64_t i = 0; i < kWidth; ++i) total += static_cast<double>(x[i]);
  return total;
}

HALCYON_INLINE float highest(Lanes x) {
  float most = x[0];
  for (int64_t i = 1; i < kWidth; ++i) most = x[i] > most ? x[i] : most;
  return most;
}

HALCYON_INLINE Lanes select(IntLanes mask, Lanes yes, Lanes no) {
  return std::bit_cast<Lanes>((std::bit_cast<IntLanes>(yes) & mask) |
                              (std::bit_cast<IntLanes>(no) & ~mask));
}

// Masks have all bits or none of a lane.  Comparing lanes would say it plainer, but GCC 16 does
// that number by number in functions of several versions.

/// x < 0, and -0 and NaN where they have that sign.
HALCYON_INLINE IntLanes negative(Lanes x) { return std::bit_cast<IntLanes>(x) >> 31; }

/// |x| > limit, or NaN.
HALCYON_INLINE IntLanes beyond(Lanes x, float limit) {
  return (std::bit_cast<int32_t>(limit) - (std::bit_cast<IntLanes>(x) & 0x7fffffff)) >> 31;
}

/// exp to about one unit in the last place on [-87, 87], to which x is clamped: x = n ln 2 + r,
/// |r| <= ln 2 / 2, exp(x) = 2^n exp(r), with exp(r) = 1 + r + r^2 q(r) and q interpolated at
/// Chebyshev's nodes (relative error 1e-8).  NaN counts as 87 with its sign.
HALCYON_INLINE Lanes exp_clamped(Lanes x) {
  constexpr float kRound = 0x1.8p23F;  // a + kRound - kRound is a, rounded
  const IntLanes sign = std::bit_cast<IntLanes>(x) & std::bit_cast<int32_t>(0x80000000U);
  const Lanes furthest = std::bit_cast<Lanes>(sign | std::bit_cast<int32_t>(87.0F));
  x = select(beyond(x, 87.0F), furthest, x);
  const Lanes shifted = x * 0x1.715476p+0F + kRound;
  const Lanes n = shifted - kRound;
  const Lanes r = (x - n * 0x1.62e4p-1F) - n * 0x1.7f7d1cp-20F;
  Lanes q = splat(0x1.6d113cp-10F);
  q = q * r + 0x1.120ba2p-7F;
  q = q * r + 0x1.55551ap-5F;
  q = q * r + 0x1.5554dcp-3F;
  q = q * r + 0x1.0p-1F;
  const Lanes power = std::bit_cast<Lanes>((std::bit_cast<IntLanes>(shifted) + 127) << 23);
  return (1.0F + (r + r * r * q)) * power;
}

/// The same, but NaN of NaN.
HALCYON_INLINE Lanes exp(Lanes x) {
  const IntLanes nan = beyond(x, std::numeric_limits<float>::infinity()) & 0x7fc00000;
  return std::bit_cast<Lanes>(std::bit_cast<IntLanes>(exp_clamped(x)) | nan);
}

/// 1 / (1 + exp(-x)), for finite x.
HALCYON_INLINE Lanes sigmoid(Lanes x) { return 1.0F / (1.0F + exp_clamped(-x)); }

}  // namespace halcyon::simd
