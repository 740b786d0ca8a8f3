#include "kernels/cuda/stream.h"

#include <c10/cuda/CUDAStream.h>

namespace halcyon::cuda {

bool built() { return true; }

Stream current_stream() { return c10::cuda::getCurrentCUDAStream().stream(); }

}  // namespace halcyon::cuda
