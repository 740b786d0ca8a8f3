#include "kernels/cuda/launch.h"
#include "kernels/cuda/launch_check.h"

namespace halcyon::cuda {
namespace {

__global__ void __launch_bounds__(kAdamWThreads)
    update(const AdamWPiece* pieces, AdamWArrays arrays) {
  adamw_block(DeviceBlock(), pieces, arrays);
}

__global__ void __launch_bounds__(kAdamWThreads)
    squares_of(const AdamWPiece* pieces, double* squares) {
  __shared__ double shared[kAdamWThreads];
  sum_of_squares_block(DeviceBlock(), pieces, squares, shared);
}

}  // namespace

void adamw_update(const AdamWPiece* pieces, int64_t count, const AdamWArrays& arrays,
                  Stream stream) {
  update<<<static_cast<unsigned>(count), kAdamWThreads, 0, stream>>>(pieces, arrays);
  check_launch("adamw_update");
}

void sums_of_squares(const AdamWPiece* pieces, int64_t count, double* squares, Stream stream) {
  squares_of<<<static_cast<unsigned>(count), kAdamWThreads, 0, stream>>>(pieces, squares);
  check_launch("sums_of_squares");
}

}  // namespace halcyon::cuda
