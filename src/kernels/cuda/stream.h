#pragma once

#include "kernels/cuda/launch.h"

namespace halcyon::cuda {

/// The stream on which LibTorch puts the work of this thread on the current device.
Stream current_stream();

}  // namespace halcyon::cuda
