#include "kernels/softmax_loops.h"

#include <limits>

#include "kernels/simd.h"

namespace halcyon {
namespace {

using simd::kWidth;
using simd::Lanes;

/// work(place, count) for all Lanes of a row; only the last may be of fewer than kWidth numbers.
template <class Work>
HALCYON_INLINE void for_lanes(int64_t length, const Work& work) {
  int64_t i = 0;
  for (; i + kWidth <= length; i += kWidth) work(i, kWidth);
  if (i < length) work(i, length - i);
}

template <class T>
HALCYON_INLINE void softmax(T* x, int64_t length, float scale, float* scratch) {
  constexpr float kLeast = -std::numeric_limits<float>::infinity();
  Lanes most = simd::splat(kLeast);
  for_lanes(length, [&](int64_t i, int64_t count) HALCYON_INLINE_LAMBDA {
    const Lanes v = scale * simd::load_some(x + i, count, kLeast / scale);
    simd::store(scratch + i, v);
    most = simd::select(simd::negative(most - v), v, most);
  });
  const float top = simd::highest(most);
  Lanes sums = {};
  for_lanes(length, [&](int64_t i, int64_t) HALCYON_INLINE_LAMBDA {
    const Lanes e = simd::exp(simd::load(scratch + i) - top);
    simd::store(scratch + i, e);
    sums += e;
  });
  const float share = 1.0F / static_cast<float>(simd::sum(sums));
  for_lanes(length, [&](int64_t i, int64_t count) HALCYON_INLINE_LAMBDA {
    simd::store_some(x + i, share * simd::load(scratch + i), count);
  });
}

template <class T>
HALCYON_INLINE void backward(const T* p, T* g, int64_t length, float scale) {
  Lanes sums = {};
  for_lanes(length, [&](int64_t i, int64_t count) HALCYON_INLINE_LAMBDA {
    sums += simd::load_some(p + i, count, 0.0F) * simd::load_some(g + i, count, 0.0F);
  });
  const auto mean = static_cast<float>(simd::sum(sums));
  for_lanes(length, [&](int64_t i, int64_t count) HALCYON_INLINE_LAMBDA {
    const Lanes d = simd::load_some(g + i, count, 0.0F) - mean;
    simd::store_some(g + i, scale * simd::load_some(p + i, count, 0.0F) * d, count);
  });
}

}  // namespace

HALCYON_MULTIVERSION
void softmax_rows(float* x, int64_t rows, int64_t length, float scale, float* scratch) {
  for (int64_t r = 0; r < rows; ++r) softmax(x + r * length, length, scale, scratch);
}

HALCYON_MULTIVERSION
void softmax_rows(simd::BFloat16* x, int64_t rows, int64_t length, float scale, float* scratch) {
  for (int64_t r = 0; r < rows; ++r) softmax(x + r * length, length, scale, scratch);
}

HALCYON_MULTIVERSION
void softmax_rows_backward(const float* p, float* g, int64_t rows, int64_t length, float scale) {
  for (int64_t r = 0; r < rows; ++r) backward(p + r * length, g + r * length, length, scale);
}

HALCYON_MULTIVERSION
void softmax_rows_backward(const simd::BFloat16* p, simd::BFloat16* g, int64_t rows, int64_t length,
                           float scale) {
  for (int64_t r = 0; r < rows; ++r) backward(p + r * length, g + r * length, length, scale);
}

}  // namespace halcyon
