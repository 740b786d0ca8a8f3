#pragma once

#include <torch/types.h>

#include <functional>
#include <memory>
#include <vector>

namespace halcyon::cuda {

/// Work on a GPU, recorded once and replayed as a whole (a CUDA graph): what it costs the CPU is
/// then one call, whatever the number of its operators.
///
/// Every replay reads and writes the very memory that was read and written when it was recorded.
/// Tensors that go in must be kept by the caller and filled anew, and those that come out are
/// overwritten by the next replay.  The work may not wait for the device nor copy from the CPU.
/// Gradients that it adds to must be undefined when it begins, or they would be added to twice.
class RecordedWork {
 public:
  /// Runs the work, to warm up, and records it.  `rngs` are what the work draws from: they stand
  /// after the recording where they stood before, and each replay draws on from where they stand,
  /// as running the work would.
  /// @throws std::logic_error without built(), c10::Error if the work cannot be recorded.
  RecordedWork(torch::Device device, const std::function<void()>& work,
               const std::vector<at::Generator>& rngs = {});
  ~RecordedWork();
  RecordedWork(RecordedWork&&) noexcept;
  RecordedWork& operator=(RecordedWork&&) noexcept;

  /// On the current stream.
  void replay();

  /// Whether work that draws random numbers can be recorded: there is CUDA, and LibTorch >= 2.4.
  static bool may_draw();

 private:
  struct Graph;
  std::unique_ptr<Graph> graph_;
};

}  // namespace halcyon::cuda
