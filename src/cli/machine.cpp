#include "cli/machine.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <malloc.h>

#include <limits>
#include <thread>

#include "core/error.h"
#include "core/torch.h"
#include "kernels/parallel.h"

namespace halcyon {
namespace {

/// OpenBLAS in its pthread build has workers of its own, which fight LibTorch's for the cores and
/// make everything several times slower: it gets one thread.  Its OpenMP build shares the pool.
void tame_openblas() {
  constexpr int kPthreads = 1;  // what openblas_get_parallel() answers for that build
  const auto get_parallel =
      reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "openblas_get_parallel"));
  const auto set_threads =
      reinterpret_cast<void (*)(int)>(dlsym(RTLD_DEFAULT, "openblas_set_num_threads"));
  if (get_parallel != nullptr && set_threads != nullptr && get_parallel() == kPthreads) {
    set_threads(1);
  }
}

/// The C library gives freed memory of large tensors back to the system and asks for it anew, page
/// by page and zeroed, at every step: let it keep what it has, or do as it is used to.
void keep_memory(bool keep) {
#ifdef __GLIBC__
  constexpr int kMappedAtMost = 65536;  // its own default
  mallopt(M_MMAP_MAX, keep ? 0 : kMappedAtMost);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
#else
  static_cast<void>(keep);
#endif
}

}  // namespace

torch::Device set_up_machine(const MachineOptions& options) {
  const auto cores = static_cast<int64_t>(std::max(1U, std::thread::hardware_concurrency()));
  if (options.threads < 0 || options.threads > 4 * cores) {
    throw ConfigError(fmt::format("run.threads: want a whole number in 0 .. {}, got {}", 4 * cores,
                                  options.threads));
  }
  // LibTorch's own default is one thread where it is built without MKL.
  const auto threads = options.threads > 0 ? options.threads : available_threads();
  at::set_num_threads(static_cast<int>(threads));
  tame_openblas();
  keep_memory(true);

  const auto refuse = [&](const std::string& found) {
    return ConfigError(
        fmt::format("run.device: '{}' {}; want cpu, cuda or cuda:N", options.device, found));
  };
  torch::Device device(torch::kCPU);
  try {
    device = torch::Device(options.device);
  } catch (const c10::Error&) {
    throw refuse("is no device");
  }
  if (device.is_cuda() && device.index() >= static_cast<int>(torch::cuda::device_count())) {
    throw refuse(fmt::format("is not there ({} CUDA devices found)", torch::cuda::device_count()));
  }
  if (device.is_cuda() && torch::cuda::device_count() == 0) throw refuse("is not there");
  if (!device.is_cuda() && !device.is_cpu()) throw refuse("is not supported");
  // Shapes stay the same from step to step: let cuDNN measure its algorithms once.
  if (device.is_cuda()) at::globalContext().setBenchmarkCuDNN(true);
  return device;
}

ScopedMemoryReturn::ScopedMemoryReturn() { keep_memory(false); }

ScopedMemoryReturn::~ScopedMemoryReturn() { keep_memory(true); }

}  // namespace halcyon
