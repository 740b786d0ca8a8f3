#pragma once

#include "core/torch.h"
#include "tests/support/catch.h"

/// Ends a test case that needs a GPU where there is none, and says so.
#define HALCYON_NEEDS_CUDA()                              \
  if (!torch::cuda::is_available()) {                     \
    WARN("no CUDA device: this case has tested nothing"); \
    return;                                               \
  }                                                       \
  static_assert(true, "so that a semicolon follows")
