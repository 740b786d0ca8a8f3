#include "kernels/cuda/dropout_block.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/launch_check.h"

namespace halcyon::cuda {
namespace {

template <class T>
__global__ void drop_all(const T* x, T* y, int64_t count, const int64_t* seed, uint32_t threshold,
                         float scale) {
  drop_block(DeviceBlock(), x, y, count, seed, threshold, scale);
}

}  // namespace

template <class T>
void drop(const T* x, T* y, int64_t count, const int64_t* seed, uint32_t threshold, float scale,
          Stream stream) {
  constexpr int64_t kNumbers = 4 * kDropoutThreads;  // of a block: whole rounds of 64
  const auto blocks = static_cast<unsigned>((count + kNumbers - 1) / kNumbers);
  drop_all<<<blocks, kDropoutThreads, 0, stream>>>(x, y, count, seed, threshold, scale);
  check_launch("drop");
}

using Half = simd::BFloat16;
template void drop(const float*, float*, int64_t, const int64_t*, uint32_t, float, Stream);
template void drop(const Half*, Half*, int64_t, const int64_t*, uint32_t, float, Stream);

}  // namespace halcyon::cuda
