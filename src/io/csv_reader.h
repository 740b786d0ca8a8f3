#pragma once

#include <string>
#include <vector>

#include "io/table.h"

namespace halcyon {

/// Reads comma-separated values with a header line (RFC 4180; also lines that end with \n): an
/// empty cell is nothing, one that is a number as a whole is a number, and all others are texts,
/// also a quoted number.  A last line without its end, as one that is being written, is left out:
/// where that is the header, or there is none yet, the table is empty.
/// @throws FileError if the file cannot be read; for a row with more or fewer cells than the
/// header, or a quote that does not end, naming file and line
Table read_csv(const std::string& path);

/// The cells of a column; NaN for what is no number, and all NaN if there is no such column.
std::vector<double> column_numbers(const Table& table, const std::string& column);

/// The cells of a column as they would be written; all empty if there is no such column.
std::vector<std::string> column_texts(const Table& table, const std::string& column);

/// The position of column `name`.  @throws FileError naming `path` and the nearest column.
size_t column_index(const Table& table, const std::string& name, const std::string& path);

}  // namespace halcyon
