#pragma once

#include <cstdint>
#include <functional>

namespace halcyon {

/// Calls work(i) once for every i in [0, count), in any order, on as many threads as LibTorch is
/// set to use.  (at::parallel_for is serial in a program compiled without OpenMP, as this is.)
/// @throws what work threw, once all threads have ended.
void for_each_index(int64_t count, const std::function<void(int64_t)>& work);

}  // namespace halcyon
