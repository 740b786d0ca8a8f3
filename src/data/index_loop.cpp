#include "data/index_loop.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>
#include <vector>

namespace halcyon {

void for_each_index(int64_t count, const std::function<void(int64_t)>& work) {
  const auto threads = static_cast<size_t>(std::min<int64_t>(at::get_num_threads(), count));
  std::atomic<int64_t> next{0};
  std::vector<std::exception_ptr> failures(threads);
  const auto run = [&](size_t thread) {
    try {
      for (int64_t i = next++; i < count; i = next++) work(i);
    } catch (...) {
      failures[thread] = std::current_exception();
      next = count;
    }
  };
  {
    std::vector<std::jthread> others;
    for (size_t thread = 1; thread < threads; ++thread) others.emplace_back(run, thread);
    if (threads > 0) run(0);
  }
  for (const auto& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
}

}  // namespace halcyon
