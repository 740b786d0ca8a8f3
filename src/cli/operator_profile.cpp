#include "cli/operator_profile.h"

#include <ATen/record_function.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string_view>
#include <utility>

#include "core/torch.h"

namespace halcyon {
namespace {

using Clock = std::chrono::steady_clock;
using Key = std::pair<std::string, std::string>;  // name, pass

struct Frame {
  Key key;
  Clock::time_point start;
  double children = 0;  // seconds
};

/// The operators that are running, outermost first, and what those that ended took.
struct Recording {
  std::vector<Frame> frames;
  std::map<Key, OperatorTime> operators;
  torch::Device device = torch::kCPU;
  double inside = 0;  // seconds in operators
};

// LibTorch calls plain functions back: they find their recording here.  Not of one thread: the
// backward pass of CUDA has its own, and the one that waits for it does nothing meanwhile.
Recording* recording = nullptr;

/// Now, with nothing left to do on the device.
Clock::time_point now() {
  if (recording->device.is_cuda()) torch::cuda::synchronize(recording->device.index());
  return Clock::now();
}

/// An operator below autograd runs without it, so it belongs to the pass of its caller.
std::string pass_of(const at::RecordFunction& function) {
  const bool node = function.scope() == at::RecordScope::BACKWARD_FUNCTION ||
                    std::string_view(function.name()).substr(0, 16) == "autograd::engine";
  if (node) return "backward";
  if (!recording->frames.empty()) return recording->frames.back().key.second;
  return at::GradMode::is_enabled() ? "forward" : "update";
}

std::unique_ptr<at::ObserverContext> enter(const at::RecordFunction& function) {
  recording->frames.push_back({{function.name(), pass_of(function)}, now()});
  return nullptr;
}

void leave(const at::RecordFunction&, at::ObserverContext*) {
  const auto end = now();
  const auto frame = std::move(recording->frames.back());
  recording->frames.pop_back();
  const double seconds = std::chrono::duration<double>(end - frame.start).count();
  (recording->frames.empty() ? recording->inside : recording->frames.back().children) += seconds;
  auto& total = recording->operators[frame.key];
  ++total.calls;
  total.seconds += seconds - frame.children;
}

/// While it lives, the operators of this thread, and of backward passes it starts, go to `into`.
class ScopedRecording {
 public:
  explicit ScopedRecording(Recording& into)
      : handle_(at::addThreadLocalCallback(at::RecordFunctionCallback(enter, leave))) {
    recording = &into;
  }
  ~ScopedRecording() {
    at::removeCallback(handle_);
    recording = nullptr;
  }
  ScopedRecording(const ScopedRecording&) = delete;
  ScopedRecording& operator=(const ScopedRecording&) = delete;

 private:
  at::CallbackHandle handle_;
};

}  // namespace

std::vector<OperatorTime> profile_operators(const std::function<void()>& work,
                                            torch::Device device) {
  Recording of_work;
  of_work.device = device;
  const auto start = Clock::now();
  {
    const ScopedRecording scope(of_work);
    work();
  }
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();

  std::vector<OperatorTime> operators = {{"(between operators)", "-", 0, seconds - of_work.inside}};
  for (auto& [key, time] : of_work.operators) {
    operators.push_back({key.first, key.second, time.calls, time.seconds});
  }
  std::sort(operators.begin(), operators.end(),
            [](const auto& a, const auto& b) { return a.seconds > b.seconds; });
  return operators;
}

}  // namespace halcyon
