#pragma once

#include <array>
#include <utility>

namespace halcyon {

/// Whether something is done: where it helps, always or never.
enum class Switch { automatic, on, off };

inline constexpr std::array<std::pair<Switch, const char*>, 3> enum_names(Switch) {
  return {{{Switch::automatic, "auto"}, {Switch::on, "on"}, {Switch::off, "off"}}};
}

}  // namespace halcyon
