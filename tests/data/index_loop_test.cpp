#include "data/index_loop.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "tests/support/catch.h"

using namespace halcyon;

TEST_CASE("an index loop does every index once on several threads and rethrows", "[data]") {
  const int before = at::get_num_threads();
  at::set_num_threads(3);
  std::vector<std::atomic<int>> calls(1000);
  std::atomic<int> arrived{0};
  bool others_ran = false;
  for_each_index(1000, [&](int64_t i) {
    ++calls[static_cast<size_t>(i)];
    // Index 0 waits, at most 2 s, for the next two: on one thread they would come after it.
    if (i < 3) ++arrived;
    for (int wait = 0; i == 0 && arrived < 3 && wait < 2000; ++wait) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    if (i == 0) others_ran = arrived == 3;
  });
  CHECK(others_ran);
  CHECK(std::all_of(calls.begin(), calls.end(), [](const auto& n) { return n == 1; }));
  for_each_index(0, [](int64_t) { throw std::runtime_error("never called"); });
  const auto fails = [](int64_t i) {
    if (i == 5) throw std::runtime_error("at five");
  };
  CHECK_THROWS_WITH(for_each_index(9, fails), "at five");
  at::set_num_threads(before);
}
