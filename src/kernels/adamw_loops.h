#pragma once

#include <cstdint>

#include "kernels/loop_types.h"

namespace halcyon {

/// The numbers of one step of AdamW and of the averages after it.
struct AdamWStep {
  float gradient_scale;  ///< multiplies the gradient: below 1 where its norm is clipped
  float beta1, beta2;
  float new1, new2;  ///< 1 - beta1, 1 - beta2
  float root_scale;  ///< 1 / sqrt(1 - beta2^step)
  float epsilon;
  float rate;  ///< learning rate / (1 - beta1^step)
  float kept;  ///< 1 - learning rate * weight decay
  int64_t averages;
  const float* new_share;  ///< [averages] of the new value in each average
};

/// `count` parameters; the arrays are of as many, rounded up to simd::kWidth, but for the
/// gradient, of which there are `count`.
template <class Gradient>
struct AdamWSlice {
  int64_t count;
  const Gradient* gradient;
  float* value;
  float* mean;
  float* square;
  float* const* averages;   ///< [step.averages]
  simd::BFloat16* rounded;  ///< where the value goes in fewer digits too, `count` of them; or null
};

/// mean and square of the gradient, the value, its averages and its rounding, in one pass.
void adamw_update(const AdamWSlice<float>& slice, const AdamWStep& step);
void adamw_update(const AdamWSlice<simd::BFloat16>& slice, const AdamWStep& step);

/// Sum of squares.
double sum_of_squares(const float* x, int64_t count);
double sum_of_squares(const simd::BFloat16* x, int64_t count);

}  // namespace halcyon
