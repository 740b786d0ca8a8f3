#pragma once

#include "kernels/adamw_loops.h"
#include "kernels/cuda/block.h"

namespace halcyon::cuda {

inline constexpr int kAdamWThreads = 256;
inline constexpr int64_t kMostAverages = 8;

/// Some parameters whose gradient lies together: what one block of threads works on.  Addresses of
/// gradient and rounding are multiples of 16 bytes, and `at` one of 4.
struct AdamWPiece {
  const void* gradient;     ///< `count` of float or BFloat16; null: zeros
  simd::BFloat16* rounded;  ///< where the value goes in fewer digits too; or null
  int64_t at;               ///< of the first, in the arrays of all parameters
  int32_t count;
  int32_t half;  ///< whether the gradient is BFloat16
};

/// The arrays of all parameters, and the numbers of a step: step.new_share is not read.
struct AdamWArrays {
  float* value;
  float* mean;
  float* square;
  float* averages[kMostAverages];
  float new_share[kMostAverages];
  AdamWStep step;
};

/// The gradient at i, i + 1, ..., as many as there are of four; zeros behind.
HALCYON_DEVICE Quad gradient_at(const AdamWPiece& piece, int64_t i) {
  Quad g = {};
  if (piece.gradient == nullptr) return g;
  const auto* whole = static_cast<const float*>(piece.gradient) + i;
  const auto* half = static_cast<const simd::BFloat16*>(piece.gradient) + i;
  if (i + 4 <= piece.count) return piece.half ? load_quad(half) : load_quad(whole);
  for (int k = 0; k < 4; ++k) {
    if (i + k < piece.count) g.v[k] = piece.half ? simd::load_one(half + k) : whole[k];
  }
  return g;
}

/// As adamw_update(), of the block's piece.
template <class Block>
HALCYON_BLOCK void adamw_block(const Block& block, const AdamWPiece* pieces,
                               const AdamWArrays& arrays) {
  const AdamWPiece piece = pieces[block.index()];
  const AdamWStep& step = arrays.step;
  for (int64_t i = 4 * block.thread(); i < piece.count; i += 4 * block.threads()) {
    const int64_t at = piece.at + i;  // arrays are padded to whole quads
    const Quad gradient = gradient_at(piece, i);
    Quad mean = load_quad(arrays.mean + at);
    Quad square = load_quad(arrays.square + at);
    Quad value = load_quad(arrays.value + at);
    for (int k = 0; k < 4; ++k) {
      const float g = step.gradient_scale * gradient.v[k];
      mean.v[k] = step.beta1 * mean.v[k] + step.new1 * g;
      square.v[k] = step.beta2 * square.v[k] + step.new2 * (g * g);
      const float root = sqrtf(square.v[k]) * step.root_scale + step.epsilon;
      value.v[k] = step.kept * value.v[k] - step.rate * mean.v[k] / root;
    }
    store_quad(arrays.mean + at, mean);
    store_quad(arrays.square + at, square);
    store_quad(arrays.value + at, value);
    for (int n = 0; n < kMostAverages; ++n) {  // unrolled, so that no array is indexed at run time
      if (n >= step.averages) break;
      Quad average = load_quad(arrays.averages[n] + at);
      for (int k = 0; k < 4; ++k) {
        average.v[k] += arrays.new_share[n] * (value.v[k] - average.v[k]);
      }
      store_quad(arrays.averages[n] + at, average);
    }
    if (piece.rounded == nullptr) continue;
    if (i + 4 <= piece.count) {
      store_quad(piece.rounded + i, value);
    } else {
      for (int k = 0; k < 4; ++k) {
        if (i + k < piece.count) simd::store_one(piece.rounded + i + k, value.v[k]);
      }
    }
  }
}

/// squares[block] = the sum of squares of the gradient of the block's piece.  shared: a double a
/// thread; the threads are a power of two.
template <class Block>
HALCYON_BLOCK void sum_of_squares_block(const Block& block, const AdamWPiece* pieces,
                                        double* squares, double* shared) {
  const AdamWPiece piece = pieces[block.index()];
  float sum = 0;
  for (int64_t i = 4 * block.thread(); i < piece.count; i += 4 * block.threads()) {
    const Quad g = gradient_at(piece, i);
    for (int k = 0; k < 4; ++k) sum += g.v[k] * g.v[k];
  }
  shared[block.thread()] = sum;
  for (int half = block.threads() / 2; half > 0; half /= 2) {
    block.sync();
    if (block.thread() < half) shared[block.thread()] += shared[block.thread() + half];
  }
  if (block.thread() == 0) squares[block.index()] = shared[0];
}

}  // namespace halcyon::cuda
