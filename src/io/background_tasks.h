#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>

namespace halcyon {

/// Runs tasks one after the other on a thread of its own, as to write what the caller makes.  Few
/// wait at a time: add() blocks until there is room.  After a task that throws, no other is run.
class BackgroundTasks {
 public:
  explicit BackgroundTasks(size_t most_waiting = 2);
  BackgroundTasks(const BackgroundTasks&) = delete;
  BackgroundTasks& operator=(const BackgroundTasks&) = delete;
  /// Runs the tasks that wait; what they throw is lost.
  ~BackgroundTasks();

  /// @throws what a task threw
  void add(std::function<void()> task);
  /// Waits until every task has run.  @throws what a task threw
  void finish();

 private:
  void work();
  void rethrow();

  const size_t most_waiting_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  bool running_ = false;
  bool closed_ = false;
  std::exception_ptr error_;
  std::thread thread_;
};

}  // namespace halcyon
