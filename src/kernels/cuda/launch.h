#pragma once

#include "kernels/cuda/adamw_block.h"
#include "kernels/cuda/group_norm_block.h"

struct CUstream_st;

namespace halcyon::cuda {

using Stream = CUstream_st*;  ///< cudaStream_t

/// Whether this program has the kernels below.  Without them they throw.
bool built();

// Each puts its work on the stream of the current device and returns; all pointers are to its
// memory, and those of images are multiples of 16 bytes.  @throws std::runtime_error with CUDA's
// message if the work cannot be started.

/// group_norm_forward() and group_norm_backward() of every image.
template <class T>
void group_norm_forward(const GroupNormBatch<T>& batch, T* y, Stream stream);
template <class T>
void group_norm_backward(const GroupNormBatch<T>& batch, const T* dy, const T* extra, T* dx,
                         const GroupNormSums& sums, Stream stream);

/// softmax_rows() and softmax_rows_backward().
template <class T>
void softmax_rows(T* x, int64_t rows, int64_t length, float scale, Stream stream);
template <class T>
void softmax_rows_backward(const T* p, T* g, int64_t rows, int64_t length, float scale,
                           Stream stream);

/// drop() of [0, count), with the seed in the device's memory.
template <class T>
void drop(const T* x, T* y, int64_t count, const int64_t* seed, uint32_t threshold, float scale,
          Stream stream);

/// adamw_update() of every piece, and the sum of squares of the gradient of each.
void adamw_update(const AdamWPiece* pieces, int64_t count, const AdamWArrays& arrays,
                  Stream stream);
void sums_of_squares(const AdamWPiece* pieces, int64_t count, double* squares, Stream stream);

}  // namespace halcyon::cuda
