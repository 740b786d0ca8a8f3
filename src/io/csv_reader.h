#pragma once

#include <string>
#include <vector>

#include "io/table.h"

namespace halcyon {

/// A file of comma-separated values as write_csv() writes it: a header, then rows.  A cell that is
/// a number in full, "nan" or "inf" is read as one, an empty cell as nothing, all else as text.
/// @throws FileError naming the file and the line if the file cannot be read, has no header or a
/// row has not as many cells as there are columns.
Table read_csv(const std::string& path);

/// The position of column `name`.  @throws FileError naming `path` and the nearest column.
size_t column_index(const Table& table, const std::string& name, const std::string& path);

}  // namespace halcyon
