#pragma once

#include <cstdint>
#include <functional>

namespace halcyon {

/// work(begin, end) on disjoint parts of [0, count), one a thread of LibTorch's pool.  What
/// at::parallel_for is, but parallel also in files that are compiled without OpenMP.
void parallel_for(int64_t count, const std::function<void(int64_t, int64_t)>& work);

/// Threads to start with: OMP_NUM_THREADS if it is set, or as many as there are cores for the
/// process.
int available_threads();

}  // namespace halcyon
