#include "io/background_tasks.h"

#include <utility>

namespace halcyon {

BackgroundTasks::BackgroundTasks(size_t most_waiting)
    : most_waiting_(most_waiting), thread_(&BackgroundTasks::work, this) {}

BackgroundTasks::~BackgroundTasks() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void BackgroundTasks::add(std::function<void()> task) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return error_ || waiting_.size() < most_waiting_; });
  rethrow();
  waiting_.push_back(std::move(task));
  changed_.notify_all();
}

void BackgroundTasks::finish() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return error_ || (waiting_.empty() && !running_); });
  rethrow();
}

void BackgroundTasks::rethrow() {
  if (error_) std::rethrow_exception(error_);
}

void BackgroundTasks::work() {
  std::unique_lock lock(mutex_);
  while (!error_) {
    changed_.wait(lock, [this] { return closed_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    auto task = std::move(waiting_.front());
    waiting_.pop_front();
    running_ = true;
    lock.unlock();
    std::exception_ptr error;
    try {
      task();
    } catch (...) {
      error = std::current_exception();
    }
    task = nullptr;  // what it holds is freed before the next one is waited for
    lock.lock();
    running_ = false;
    error_ = error;
    changed_.notify_all();
  }
}

}  // namespace halcyon
