#pragma once

#include <fmt/format.h>

#include <string>

#include "core/error.h"

namespace halcyon {

/// @throws ConfigError "key: want range, got ..." unless `good`.
template <class T>
void require_option(bool good, const std::string& key, const char* range, const T& got) {
  if (!good) throw ConfigError(fmt::format("{}: want {}, got {}", key, range, got));
}

}  // namespace halcyon
