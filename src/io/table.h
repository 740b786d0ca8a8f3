#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "io/file_descriptor.h"

namespace halcyon {

/// Nothing, a number or a text.
using Cell = std::variant<std::monostate, double, std::string>;

/// Every row has as many cells as there are columns.
struct Table {
  std::vector<std::string> columns = {};
  std::vector<std::vector<Cell>> rows = {};
};

/// The shortest text that reads back as `value`; integers below 2^53 without exponent or ".0".
std::string number_text(double value);

/// Aligned columns for a terminal, numbers to 4 significant digits (whole numbers in full), texts
/// to the left, and "-" for an empty cell.
std::string to_text(const Table& table);

/// Comma-separated values (RFC 4180, lines end with \n), written atomically; NaN and infinities are
/// "nan", "inf", "-inf".  @throws FileError
void write_csv(const std::string& path, const Table& table);

/// Adds the rows to a file with the same header, or starts it.  @throws FileError
void append_csv(const std::string& path, const Table& table);

/// Drops, atomically, the rows whose first column, "step", is greater than `step`, and those that a
/// kill or a crash left unreadable.  A file that does not exist is left so.  @throws FileError if
/// the first column is another
void truncate_csv_after_step(const std::string& path, int64_t step);

/// Appends lines to a file.  Each is there whole once append() returns; should one fail, as on a
/// full disk, its part is taken back.
class LineAppender {
 public:
  /// Opens or makes the file, and drops a half-written last line.  @throws FileError
  explicit LineAppender(const std::string& path);
  /// The first line, without its \n; empty for an empty file.
  const std::string& first_line() const { return first_line_; }
  /// `lines` end with \n.  @throws FileError
  void append(const std::string& lines);

 private:
  std::string path_;
  std::string first_line_;
  FileDescriptor file_;
};

/// The cells as a line of CSV, with \n.
std::string csv_line(const std::vector<Cell>& cells);

/// Opens `path` for rows under `columns`: writes the header into an empty file, and else compares.
/// @throws FileError if the file has another header
LineAppender open_csv(const std::string& path, const std::vector<std::string>& columns);

}  // namespace halcyon
