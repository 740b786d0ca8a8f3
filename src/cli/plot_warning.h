#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string>

namespace halcyon {

/// Says why there is no plot of `what`; nothing if the reason is empty.
inline void warn_without_plot(const std::string& what, const std::string& reason) {
  if (!reason.empty()) fmt::print(stderr, "warning: no plot of the {}: {}\n", what, reason);
}

}  // namespace halcyon
