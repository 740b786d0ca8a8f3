#pragma once

#include <ucontext.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace halcyon::testing {

/// Runs kernels that are written as functions of a block on the CPU: the threads of a block are
/// contexts that give way to one another at sync() only, first to last or last to first.  What
/// depends on a barrier that is not there comes out wrong in one of the two orders, always.
class EmulatedLaunch {
 public:
  struct Block {
    EmulatedLaunch* launch;
    int64_t number;
    int thread() const { return launch->running_; }
    int threads() const { return launch->threads_; }
    int64_t index() const { return number; }
    void sync() const { launch->give_way(); }
  };

  explicit EmulatedLaunch(int threads, bool last_to_first = false)
      : threads_(threads), last_to_first_(last_to_first) {}

  /// kernel(block) in every thread of every block, the blocks one after the other.
  void run(int64_t blocks, const std::function<void(const Block&)>& kernel) {
    for (int64_t number = 0; number < blocks; ++number) run_block({this, number}, kernel);
  }

 private:
  struct Thread {
    ucontext_t context;
    std::vector<char> stack = std::vector<char>(64 * 1024);
    bool done = false;
  };

  void run_block(const Block& block, const std::function<void(const Block&)>& kernel) {
    work_ = [&] { kernel(block); };
    all_ = std::vector<Thread>(static_cast<size_t>(threads_));
    for (auto& thread : all_) prepare(thread);
    for (bool some = true; some;) {
      some = false;
      for (int i = 0; i < threads_; ++i) {
        running_ = last_to_first_ ? threads_ - 1 - i : i;
        if (current().done) continue;
        swapcontext(&scheduler_, &current().context);
        some = true;
      }
    }
  }

  /// Apart, since getcontext() returns twice and what surrounds it is compiled with that in mind.
  __attribute__((noinline)) void prepare(Thread& thread) {
    getcontext(&thread.context);
    thread.context.uc_stack.ss_sp = thread.stack.data();
    thread.context.uc_stack.ss_size = thread.stack.size();
    thread.context.uc_link = &scheduler_;
    const auto self = reinterpret_cast<uintptr_t>(this);
    makecontext(&thread.context, reinterpret_cast<void (*)()>(&EmulatedLaunch::enter), 2,
                static_cast<unsigned>(self >> 32), static_cast<unsigned>(self));
  }

  static void enter(unsigned high, unsigned low) {
    auto* self = reinterpret_cast<EmulatedLaunch*>(static_cast<uintptr_t>(high) << 32 | low);
    self->work_();
    self->current().done = true;
  }

  void give_way() { swapcontext(&current().context, &scheduler_); }
  Thread& current() { return all_[static_cast<size_t>(running_)]; }

  int threads_;
  bool last_to_first_;
  int running_ = 0;
  ucontext_t scheduler_;
  std::vector<Thread> all_;
  std::function<void()> work_;
};

}  // namespace halcyon::testing
