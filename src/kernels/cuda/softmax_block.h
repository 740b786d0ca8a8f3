#pragma once

#include "kernels/cuda/block.h"

namespace halcyon::cuda {

inline constexpr int kSoftmaxLanes = 32;  // threads of a row
inline constexpr int kSoftmaxThreads = 256;

/// Where a thread works: all threads of a block take part, also where rows are left over.
struct SoftmaxPlace {
  int lane;
  int64_t row;

  template <class Block>
  HALCYON_BLOCK explicit SoftmaxPlace(const Block& block)
      : lane(block.thread() % kSoftmaxLanes),
        row(block.index() * (block.threads() / kSoftmaxLanes) + block.thread() / kSoftmaxLanes) {}
};

/// join(join(x_0, x_1), ...) over the threads of each row, for all of them.  shared: a float a
/// thread.
template <class Block, class Join>
HALCYON_BLOCK float over_row(const Block& block, float x, float* shared, const Join& join) {
  const int lane = block.thread() % kSoftmaxLanes;
  float* mine = shared + block.thread();
  block.sync();
  *mine = x;
  for (int half = kSoftmaxLanes / 2; half > 0; half /= 2) {
    block.sync();
    if (lane < half) *mine = join(mine[0], mine[half]);
  }
  block.sync();
  return *(mine - lane);
}

struct Highest {
  HALCYON_DEVICE float operator()(float a, float b) const { return a > b ? a : b; }
};
struct Total {
  HALCYON_DEVICE float operator()(float a, float b) const { return a + b; }
};

/// As softmax_rows().
template <class T, class Block>
HALCYON_BLOCK void softmax_block(const Block& block, T* x, int64_t rows, int64_t length,
                                 float scale, float* shared) {
  const SoftmaxPlace at(block);
  const int64_t end = at.row < rows ? length : 0;
  T* mine = x + at.row * length;
  float most = -INFINITY;
  for (int64_t i = at.lane; i < end; i += kSoftmaxLanes) {
    const float v = scale * simd::load_one(mine + i);
    most = v > most ? v : most;
  }
  most = over_row(block, most, shared, Highest());
  float sum = 0;
  for (int64_t i = at.lane; i < end; i += kSoftmaxLanes) {
    sum += fast_exp(scale * simd::load_one(mine + i) - most);
  }
  const float share = 1.0F / over_row(block, sum, shared, Total());
  for (int64_t i = at.lane; i < end; i += kSoftmaxLanes) {
    simd::store_one(mine + i, share * fast_exp(scale * simd::load_one(mine + i) - most));
  }
}

/// As softmax_rows_backward().
template <class T, class Block>
HALCYON_BLOCK void softmax_backward_block(const Block& block, const T* p, T* g, int64_t rows,
                                          int64_t length, float scale, float* shared) {
  const SoftmaxPlace at(block);
  const int64_t begin = at.row * length + at.lane;
  const int64_t end = at.row < rows ? (at.row + 1) * length : 0;
  float sum = 0;
  for (int64_t i = begin; i < end; i += kSoftmaxLanes) {
    sum += simd::load_one(p + i) * simd::load_one(g + i);
  }
  const float mean = over_row(block, sum, shared, Total());
  for (int64_t i = begin; i < end; i += kSoftmaxLanes) {
    simd::store_one(g + i, scale * simd::load_one(p + i) * (simd::load_one(g + i) - mean));
  }
}

}  // namespace halcyon::cuda
