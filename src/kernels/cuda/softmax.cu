#include "kernels/cuda/launch.h"
#include "kernels/cuda/launch_check.h"
#include "kernels/cuda/softmax_block.h"

namespace halcyon::cuda {
namespace {

template <class T>
__global__ void forward(T* x, int64_t rows, int64_t length, float scale) {
  __shared__ float shared[kSoftmaxThreads];
  softmax_block(DeviceBlock(), x, rows, length, scale, shared);
}

template <class T>
__global__ void backward(const T* p, T* g, int64_t rows, int64_t length, float scale) {
  __shared__ float shared[kSoftmaxThreads];
  softmax_backward_block(DeviceBlock(), p, g, rows, length, scale, shared);
}

unsigned blocks_for(int64_t rows) {
  constexpr int64_t kRows = kSoftmaxThreads / kSoftmaxLanes;
  return static_cast<unsigned>((rows + kRows - 1) / kRows);
}

}  // namespace

template <class T>
void softmax_rows(T* x, int64_t rows, int64_t length, float scale, Stream stream) {
  forward<<<blocks_for(rows), kSoftmaxThreads, 0, stream>>>(x, rows, length, scale);
  check_launch("softmax_rows");
}

template <class T>
void softmax_rows_backward(const T* p, T* g, int64_t rows, int64_t length, float scale,
                           Stream stream) {
  backward<<<blocks_for(rows), kSoftmaxThreads, 0, stream>>>(p, g, rows, length, scale);
  check_launch("softmax_rows_backward");
}

using Half = simd::BFloat16;
template void softmax_rows(float*, int64_t, int64_t, float, Stream);
template void softmax_rows(Half*, int64_t, int64_t, float, Stream);
template void softmax_rows_backward(const float*, float*, int64_t, int64_t, float, Stream);
template void softmax_rows_backward(const Half*, Half*, int64_t, int64_t, float, Stream);

}  // namespace halcyon::cuda
