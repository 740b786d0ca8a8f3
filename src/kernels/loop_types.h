#pragma once

#include <cstdint>

namespace halcyon::simd {

inline constexpr int64_t kWidth = 16;  ///< float32 numbers that are worked on together

/// A bfloat16 as it lies in memory.
struct BFloat16 {
  uint16_t bits;
};

}  // namespace halcyon::simd
