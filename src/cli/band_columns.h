#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace halcyon {

/// What the log calls a quantity of the gradient in noise band k, from 0.
inline std::string band_column(int64_t k, const std::string& quantity) {
  return fmt::format("band{}_{}", k + 1, quantity);
}

/// The noise bands of a log with these columns.
inline int64_t band_count(const std::vector<std::string>& columns) {
  int64_t count = 0;
  while (std::count(columns.begin(), columns.end(), band_column(count, "gradient")) > 0) ++count;
  return count;
}

}  // namespace halcyon
