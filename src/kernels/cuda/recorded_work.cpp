#include "kernels/cuda/recorded_work.h"

#include <ATen/cuda/CUDAGraph.h>
#include <c10/core/DeviceGuard.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>

namespace halcyon::cuda {
namespace {

constexpr int kWarmUps = 2;  // the first sets libraries up, and makes buffers that stay

/// LibTorch from 2.4 on has graphs that draw from any generator; 1.13 only from its own.
template <class G>
constexpr bool kDrawsFromAny = requires(G graph, at::Generator rng) {
  graph.register_generator_state(rng);
};

template <class G>
void draw_from(G& graph, const at::Generator& rng) {
  if constexpr (kDrawsFromAny<G>) {
    graph.register_generator_state(rng);
  } else {
    TORCH_CHECK(false, "this LibTorch cannot record work that draws random numbers");
  }
}

/// Other threads may go on calling CUDA meanwhile, where LibTorch lets us say so.
template <class G>
void begin(G& graph) {
  if constexpr (requires { graph.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal); }) {
    graph.capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal);
  } else {
    graph.capture_begin();
  }
}

void record(at::cuda::CUDAGraph& graph, const std::function<void()>& work) {
  begin(graph);
  try {
    work();
  } catch (...) {
    try {
      graph.capture_end();             // leaves the stream fit for use
    } catch (const std::exception&) {  // of a recording that failed: the first error says why
    }
    throw;
  }
  graph.capture_end();
}

}  // namespace

struct RecordedWork::Graph {
  at::cuda::CUDAGraph graph;
};

bool RecordedWork::may_draw() { return kDrawsFromAny<at::cuda::CUDAGraph>; }

RecordedWork::RecordedWork(torch::Device device, const std::function<void()>& work,
                           const std::vector<at::Generator>& rngs)
    : graph_(std::make_unique<Graph>()) {
  const c10::DeviceGuard on_device(device);
  c10::cuda::device_synchronize();
  const auto stream = c10::cuda::getStreamFromPool();
  {
    const c10::cuda::CUDAStreamGuard on_stream(stream);
    std::vector<torch::Tensor> before;
    for (const auto& rng : rngs) before.push_back(rng.get_state());
    for (int i = 0; i < kWarmUps; ++i) work();
    c10::cuda::device_synchronize();
    c10::cuda::CUDACachingAllocator::emptyCache();  // the recording has memory of its own
    for (size_t i = 0; i < rngs.size(); ++i) {
      at::Generator(rngs[i]).set_state(before[i]);
      draw_from(graph_->graph, rngs[i]);
    }
    record(graph_->graph, work);
  }
  c10::cuda::device_synchronize();
}

RecordedWork::~RecordedWork() = default;
RecordedWork::RecordedWork(RecordedWork&&) noexcept = default;
RecordedWork& RecordedWork::operator=(RecordedWork&&) noexcept = default;

void RecordedWork::replay() { graph_->graph.replay(); }

}  // namespace halcyon::cuda
