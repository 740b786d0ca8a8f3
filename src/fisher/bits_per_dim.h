#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

namespace halcyon {

/// A negative log density in nats, of d = `dim` numbers, as bits per dimension of values counted
/// in bins of `bin_width` in the same units: nats / (d ln 2) - log2(bin_width).  8-bit pixels u as
/// u / 127.5 - 1 have bins of 1 / 127.5, which adds 6.994; 1 leaves the density as it is.
inline double bits_per_dim(double nats, int64_t dim, double bin_width) {
  return nats / (static_cast<double>(dim) * std::numbers::ln2) - std::log2(bin_width);
}

}  // namespace halcyon
