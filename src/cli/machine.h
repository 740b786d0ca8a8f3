#pragma once

#include <torch/types.h>

#include "cli/run_options.h"

namespace halcyon {

/// Sets the number of threads (LibTorch as Debian builds it would take one) and returns the device.
/// @throws ConfigError for a device that is none or is not there, or threads < 0.
torch::Device set_up_machine(const MachineOptions& options);

}  // namespace halcyon
