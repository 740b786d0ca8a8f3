#include "kernels/cuda/launch.h"
#include "kernels/cuda/launch_check.h"

namespace halcyon::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(kGroupNormThreads)
    forward(GroupNormBatch<T> batch, GroupNormLayout layout, T* y) {
  extern __shared__ __align__(16) float shared[];
  group_norm_forward_block(DeviceBlock(), batch, layout, y, shared);
}

template <class T>
__global__ void __launch_bounds__(kGroupNormThreads)
    backward(GroupNormBatch<T> batch, GroupNormLayout layout, const T* dy, const T* extra, T* dx,
             GroupNormSums sums) {
  extern __shared__ __align__(16) float shared[];
  group_norm_backward_block(DeviceBlock(), batch, layout, dy, extra, dx, sums, shared,
                            shared + group_norm_shared(layout));
}

/// How a kernel is launched for a batch.
struct Shape {
  GroupNormLayout layout;
  unsigned blocks;
  unsigned threads;
  size_t shared;  // bytes
};

template <class T>
Shape shape_of(const GroupNormBatch<T>& batch) {
  const auto layout = group_norm_layout(batch.chunk, kGroupNormThreads);
  const auto blocks = batch.images * (batch.first.channels / batch.chunk);
  const auto means = 2 * batch.chunk / batch.first.group_size;
  return {layout, static_cast<unsigned>(blocks), static_cast<unsigned>(layout.lanes * layout.rows),
          static_cast<size_t>(group_norm_shared(layout) + means) * sizeof(float)};
}

}  // namespace

template <class T>
void group_norm_forward(const GroupNormBatch<T>& batch, T* y, Stream stream) {
  const auto shape = shape_of(batch);
  forward<<<shape.blocks, shape.threads, shape.shared, stream>>>(batch, shape.layout, y);
  check_launch("group_norm_forward");
}

template <class T>
void group_norm_backward(const GroupNormBatch<T>& batch, const T* dy, const T* extra, T* dx,
                         const GroupNormSums& sums, Stream stream) {
  const auto shape = shape_of(batch);
  backward<<<shape.blocks, shape.threads, shape.shared, stream>>>(batch, shape.layout, dy, extra,
                                                                  dx, sums);
  check_launch("group_norm_backward");
}

using Half = simd::BFloat16;
template void group_norm_forward(const GroupNormBatch<float>&, float*, Stream);
template void group_norm_forward(const GroupNormBatch<Half>&, Half*, Stream);
template void group_norm_backward(const GroupNormBatch<float>&, const float*, const float*, float*,
                                  const GroupNormSums&, Stream);
template void group_norm_backward(const GroupNormBatch<Half>&, const Half*, const Half*, Half*,
                                  const GroupNormSums&, Stream);

}  // namespace halcyon::cuda
