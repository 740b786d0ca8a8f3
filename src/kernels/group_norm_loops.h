#pragma once

#include <cstdint>

#include "kernels/loop_types.h"

namespace halcyon {

/// Channels that are worked on together.
inline constexpr int64_t kGroupNormChannels = 2 * simd::kWidth;
/// Numbers that a backward pass keeps rather than works out twice: as many as stay in the cache.
inline constexpr int64_t kGroupNormKept = 1 << 17;

/// One image of a batch, [pixels, channels] with the channels together in memory, or the channels
/// [first, last) of it: whole groups, a multiple of kGroupNormChannels.  Pointers are to the
/// image's first channel; those of single numbers a channel may be null where they say so.
template <class T>
struct GroupNormImage {
  int64_t pixels;
  int64_t channels;
  int64_t group_size;  ///< channels of a group
  int64_t first;
  int64_t last;
  double eps;
  bool activate;  ///< SiLU after the norm

  const T* x;
  const float* add;     ///< [channels], added to x before the norm; or null
  const float* weight;  ///< [channels]
  const float* bias;    ///< [channels]
  const float* scale;   ///< [channels], 1 + scale multiplies the norm; or null
  const float* shift;   ///< [channels], added after that; or null
  float* mean;          ///< [groups] of x + add
  float* rstd;          ///< [groups], 1 / sqrt(variance + eps)
  float* scratch;       ///< [4 channels]
  float* kept;          ///< [pixels (last - first)] for the backward pass, or null
};

/// y = act(norm(x + add) (1 + scale) + shift); writes mean and rstd.
void group_norm_forward(const GroupNormImage<float>& image, float* y);
void group_norm_forward(const GroupNormImage<simd::BFloat16>& image, simd::BFloat16* y);

/// Sums over pixels from which the gradients of the single numbers follow, with u the gradient by
/// the input of the activation and xhat the normalised x.
struct GroupNormSums {
  float* u;       ///< [channels] sum of u
  float* u_xhat;  ///< [channels] sum of u xhat
  float* dx;      ///< [channels] sum of dx
};

/// dx from dy, plus `extra` unless it is null, with mean and rstd as group_norm_forward() left
/// them.  The sum over pixels of dx is without `extra`.
void group_norm_backward(const GroupNormImage<float>& image, const float* dy, const float* extra,
                         float* dx, const GroupNormSums& sums);
void group_norm_backward(const GroupNormImage<simd::BFloat16>& image, const simd::BFloat16* dy,
                         const simd::BFloat16* extra, simd::BFloat16* dx,
                         const GroupNormSums& sums);

}  // namespace halcyon
