#pragma once

#include <torch/types.h>

#include "cli/run_options.h"

namespace halcyon {

/// Sets the number of threads (LibTorch as Debian builds it would take one) and returns the device.
/// @throws ConfigError for a device that is none or is not there, or threads < 0.
/// From here on the memory of freed tensors is kept for those to come.
torch::Device set_up_machine(const MachineOptions& options);

/// While there is one, the memory of freed tensors goes back to the system: for what is done once,
/// and leaves places behind that nothing after it fits into.
class ScopedMemoryReturn {
 public:
  ScopedMemoryReturn();
  ~ScopedMemoryReturn();
  ScopedMemoryReturn(const ScopedMemoryReturn&) = delete;
  ScopedMemoryReturn& operator=(const ScopedMemoryReturn&) = delete;
};

}  // namespace halcyon
