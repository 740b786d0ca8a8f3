#pragma once

#include <cstdint>

namespace halcyon {

/// The shape of one sample, without the batch: [channels, height, width].
struct ImageShape {
  int64_t channels, height, width;
};

}  // namespace halcyon
