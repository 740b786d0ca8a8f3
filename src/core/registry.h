#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"

namespace halcyon {

/// The one of `known` that is fewest edits (insert, delete, replace, swap) from `name`.
std::string nearest_name(std::string_view name, const std::vector<std::string>& known);

/// The row of a registry table whose `name` is `name`.
/// @throws ConfigError naming `key`, the nearest row and all rows.
template <class Table>
const typename Table::value_type& find_entry(const Table& table, std::string_view name,
                                             std::string_view key) {
  std::vector<std::string> known;
  for (const auto& entry : table) {
    if (name == entry.name) return entry;
    known.emplace_back(entry.name);
  }
  std::string all;
  for (const auto& entry : known) all += " " + entry;
  throw ConfigError(std::string(key) + ": unknown name '" + std::string(name) +
                    "'; did you mean '" + nearest_name(name, known) + "'?  Known:" + all);
}

}  // namespace halcyon
