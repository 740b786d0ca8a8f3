#pragma once

#include <cstdint>

#include "kernels/loop_types.h"

namespace halcyon {

/// y_i = x_i scale where number i of the sequence `seed` is at least `threshold`, else 0, for i in
/// [first, last).  The numbers are uniform in [0, 2^32) and independent of how they are asked for.
void drop(const float* x, float* y, int64_t first, int64_t last, uint64_t seed, uint32_t threshold,
          float scale);
void drop(const simd::BFloat16* x, simd::BFloat16* y, int64_t first, int64_t last, uint64_t seed,
          uint32_t threshold, float scale);

}  // namespace halcyon
