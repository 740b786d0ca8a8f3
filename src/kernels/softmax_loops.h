#pragma once

#include <cstdint>

#include "kernels/loop_types.h"

namespace halcyon {

/// Rows of `length` numbers that lie together: x <- softmax(scale x), row by row.
/// scratch: [length rounded up to simd::kWidth].
void softmax_rows(float* x, int64_t rows, int64_t length, float scale, float* scratch);
void softmax_rows(simd::BFloat16* x, int64_t rows, int64_t length, float scale, float* scratch);

/// The gradient by x of softmax(scale x) = p, in place of that by p, `g`:
/// g <- scale p (g - sum(g p)), row by row.
void softmax_rows_backward(const float* p, float* g, int64_t rows, int64_t length, float scale);
void softmax_rows_backward(const simd::BFloat16* p, simd::BFloat16* g, int64_t rows, int64_t length,
                           float scale);

}  // namespace halcyon
