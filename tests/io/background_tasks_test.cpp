#include "io/background_tasks.h"

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <vector>

#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

TEST_CASE("background tasks run in order and all have run after finish()", "[io][property]") {
  std::vector<int> seen;
  BackgroundTasks tasks;
  for (int i = 0; i < 100; ++i) tasks.add([&seen, i] { seen.push_back(i); });
  tasks.finish();
  REQUIRE(seen.size() == 100);
  for (int i = 0; i < 100; ++i) REQUIRE(seen[static_cast<size_t>(i)] == i);
}

TEST_CASE("no more background tasks wait than were allowed", "[io][property]") {
  std::atomic<int> alive = 0, most = 0;
  struct Counted {
    explicit Counted(std::atomic<int>& count) : count_(count) { ++count_; }
    ~Counted() { --count_; }
    std::atomic<int>& count_;
  };
  {
    BackgroundTasks tasks(/*most_waiting=*/2);
    for (int i = 0; i < 20; ++i) {
      tasks.add([held = std::make_shared<Counted>(alive)] {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      });
      most = std::max(most.load(), alive.load());
    }
  }
  REQUIRE(most <= 3);  // two wait and one runs
  REQUIRE(alive == 0);
}

TEST_CASE("what a background task throws reaches the caller and stops the rest", "[io][error]") {
  std::atomic<int> after = 0;
  BackgroundTasks tasks;
  tasks.add([] { throw std::runtime_error("no room"); });
  const auto add_more = [&] {
    for (int i = 0; i < 10; ++i) tasks.add([&] { ++after; });
  };
  REQUIRE_THROWS_WITH(add_more(), "no room");
  REQUIRE_THROWS_WITH(tasks.finish(), "no room");
  REQUIRE(after == 0);
}

TEST_CASE("tasks that wait are run before the end", "[io][property]") {
  int done = 0;
  {
    BackgroundTasks tasks;
    for (int i = 0; i < 3; ++i) tasks.add([&] { ++done; });
  }
  REQUIRE(done == 3);
}
