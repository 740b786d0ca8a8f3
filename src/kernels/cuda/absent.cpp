// What stands for the CUDA kernels where there is no CUDA.
#include <stdexcept>

#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/recorded_work.h"
#include "kernels/cuda/stream.h"

namespace halcyon::cuda {
namespace {

[[noreturn]] void refuse() { throw std::logic_error("this build has no CUDA kernels"); }

}  // namespace

bool built() { return false; }

Stream current_stream() { refuse(); }

int64_t peak_memory(torch::Device) { refuse(); }
void reset_peak_memory(torch::Device) { refuse(); }

struct RecordedWork::Graph {};
RecordedWork::RecordedWork(torch::Device, const std::function<void()>&,
                           const std::vector<at::Generator>&) {
  refuse();
}
bool RecordedWork::may_draw() { return false; }
RecordedWork::~RecordedWork() = default;
RecordedWork::RecordedWork(RecordedWork&&) noexcept = default;
RecordedWork& RecordedWork::operator=(RecordedWork&&) noexcept = default;
void RecordedWork::replay() { refuse(); }

template <class T>
void group_norm_forward(const GroupNormBatch<T>&, T*, Stream) {
  refuse();
}

template <class T>
void group_norm_backward(const GroupNormBatch<T>&, const T*, const T*, T*, const GroupNormSums&,
                         Stream) {
  refuse();
}

template <class T>
void softmax_rows(T*, int64_t, int64_t, float, Stream) {
  refuse();
}

template <class T>
void softmax_rows_backward(const T*, T*, int64_t, int64_t, float, Stream) {
  refuse();
}

template <class T>
void drop(const T*, T*, int64_t, const int64_t*, uint32_t, float, Stream) {
  refuse();
}

void adamw_update(const AdamWPiece*, int64_t, const AdamWArrays&, Stream) { refuse(); }

void sums_of_squares(const AdamWPiece*, int64_t, double*, Stream) { refuse(); }

using Half = simd::BFloat16;
template void group_norm_forward(const GroupNormBatch<float>&, float*, Stream);
template void group_norm_forward(const GroupNormBatch<Half>&, Half*, Stream);
template void group_norm_backward(const GroupNormBatch<float>&, const float*, const float*, float*,
                                  const GroupNormSums&, Stream);
template void group_norm_backward(const GroupNormBatch<Half>&, const Half*, const Half*, Half*,
                                  const GroupNormSums&, Stream);
template void softmax_rows(float*, int64_t, int64_t, float, Stream);
template void softmax_rows(Half*, int64_t, int64_t, float, Stream);
template void softmax_rows_backward(const float*, float*, int64_t, int64_t, float, Stream);
template void softmax_rows_backward(const Half*, Half*, int64_t, int64_t, float, Stream);
template void drop(const float*, float*, int64_t, const int64_t*, uint32_t, float, Stream);
template void drop(const Half*, Half*, int64_t, const int64_t*, uint32_t, float, Stream);

}  // namespace halcyon::cuda
