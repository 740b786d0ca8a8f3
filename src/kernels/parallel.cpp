#include "kernels/parallel.h"

#include <ATen/Parallel.h>
#include <omp.h>

#ifndef _OPENMP
#error "compile this file with OpenMP: without it at::parallel_for has one thread"
#endif

namespace halcyon {

void parallel_for(int64_t count, const std::function<void(int64_t, int64_t)>& work) {
  at::parallel_for(0, count, /*grain_size=*/1, work);
}

int available_threads() { return omp_get_max_threads(); }

}  // namespace halcyon
