#pragma once

#include <torch/types.h>

#include <functional>
#include <memory>

namespace halcyon::cuda {

/// Work on a GPU, recorded once and replayed as a whole (a CUDA graph): what it costs the CPU is
/// then one call, whatever the number of its operators.
///
/// Every replay reads and writes the very memory that was read and written when it was recorded.
/// Tensors that go in must be kept by the caller and filled anew, and those that come out are
/// overwritten by the next replay.  The work may not wait for the device nor copy from the CPU.
class RecordedWork {
 public:
  /// Runs the work, to warm up, and records it.  `rng`, if it is defined, is what the work draws
  /// from: it stands after the recording where it stood before, and each replay draws on from where
  /// it stands, as running the work would.
  /// @throws std::logic_error without built(), c10::Error if the work cannot be recorded.
  RecordedWork(torch::Device device, const std::function<void()>& work, at::Generator rng = {});
  ~RecordedWork();
  RecordedWork(RecordedWork&&) noexcept;
  RecordedWork& operator=(RecordedWork&&) noexcept;

  /// On the current stream.
  void replay();

 private:
  struct Graph;
  std::unique_ptr<Graph> graph_;
};

}  // namespace halcyon::cuda
