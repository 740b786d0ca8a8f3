#include "kernels/adamw_loops.h"

#include "kernels/simd.h"

namespace halcyon {
namespace {

using simd::kWidth;
using simd::Lanes;

HALCYON_INLINE Lanes sqrt(Lanes x) {
  Lanes y;
  for (int64_t i = 0; i < kWidth; ++i) y[i] = __builtin_sqrtf(x[i]);
  return y;
}

/// Lanes at `i` of the slice, with the gradient g.
template <class T>
HALCYON_INLINE Lanes update_lanes(const AdamWSlice<T>& slice, const AdamWStep& step, int64_t i,
                                  Lanes g) {
  g *= step.gradient_scale;
  const Lanes mean = step.beta1 * simd::load(slice.mean + i) + step.new1 * g;
  const Lanes square = step.beta2 * simd::load(slice.square + i) + step.new2 * (g * g);
  const Lanes root = sqrt(square) * step.root_scale + step.epsilon;
  const Lanes value = step.kept * simd::load(slice.value + i) - step.rate * mean / root;
  simd::store(slice.mean + i, mean);
  simd::store(slice.square + i, square);
  simd::store(slice.value + i, value);
  for (int64_t k = 0; k < step.averages; ++k) {
    float* average = slice.averages[k] + i;
    const Lanes old = simd::load(average);
    simd::store(average, old + step.new_share[k] * (value - old));
  }
  return value;
}

template <class T>
HALCYON_INLINE void update(const AdamWSlice<T>& slice, const AdamWStep& step) {
  int64_t i = 0;
  for (; i + kWidth <= slice.count; i += kWidth) {
    const Lanes value = update_lanes(slice, step, i, simd::load(slice.gradient + i));
    if (slice.rounded != nullptr) simd::store(slice.rounded + i, value);
  }
  const int64_t left = slice.count - i;
  if (left == 0) return;
  const Lanes value = update_lanes(slice, step, i, simd::load_some(slice.gradient + i, left, 0.0F));
  if (slice.rounded != nullptr) simd::store_some(slice.rounded + i, value, left);
}

template <class T>
HALCYON_INLINE double squares(const T* x, int64_t count) {
  Lanes sums[4] = {};
  int64_t i = 0;
  for (; i + 4 * kWidth <= count; i += 4 * kWidth) {
    for (int k = 0; k < 4; ++k) {
      const Lanes v = simd::load(x + i + k * kWidth);
      sums[k] += v * v;
    }
  }
  for (; i < count; i += kWidth) {
    const Lanes v = simd::load_some(x + i, count - i < kWidth ? count - i : kWidth, 0.0F);
    sums[0] += v * v;
  }
  return simd::sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

}  // namespace

HALCYON_MULTIVERSION
void adamw_update(const AdamWSlice<float>& slice, const AdamWStep& step) { update(slice, step); }

HALCYON_MULTIVERSION
void adamw_update(const AdamWSlice<simd::BFloat16>& slice, const AdamWStep& step) {
  update(slice, step);
}

HALCYON_MULTIVERSION
double sum_of_squares(const float* x, int64_t count) { return squares(x, count); }

HALCYON_MULTIVERSION
double sum_of_squares(const simd::BFloat16* x, int64_t count) { return squares(x, count); }

}  // namespace halcyon
