#include "io/csv_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/error.h"
#include "core/registry.h"
#include "io/atomic_file.h"

namespace halcyon {
namespace {

Cell cell_of(const std::string& text, bool quoted) {
  if (quoted) return text;
  if (text.empty()) return {};
  double number = 0;
  const auto end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec == std::errc() && parsed.ptr == end) return number;
  return text;
}

/// Splits RFC 4180 text into lines of cells.
std::vector<std::vector<Cell>> cells_of(const std::string& text) {
  std::vector<std::vector<Cell>> lines;
  std::vector<Cell> line;
  std::string cell;
  bool quoted = false;
  bool inside = false;
  const auto end_cell = [&] {
    line.push_back(cell_of(cell, quoted));
    cell.clear();
    quoted = false;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (inside && c == '"' && i + 1 < text.size() && text[i + 1] == '"') {
      cell += text[++i];
    } else if (c == '"') {
      inside = !inside;
      quoted = true;
    } else if (inside || (c != ',' && c != '\n' && c != '\r')) {
      cell += c;
    } else if (c == ',') {
      end_cell();
    } else if (c == '\n') {
      end_cell();
      lines.push_back(std::move(line));
      line.clear();
    }
  }
  if (!cell.empty() || !line.empty()) {
    end_cell();
    lines.push_back(std::move(line));
  }
  return lines;
}

std::string name_of(const Cell& cell) {
  const auto* text = std::get_if<std::string>(&cell);
  return text != nullptr ? *text : std::string();
}

}  // namespace

Table read_csv(const std::string& path) {
  const auto lines = cells_of(read_file(path));
  if (lines.empty()) {
    throw FileError(fmt::format("'{}': want a header and rows of CSV, got nothing", path));
  }
  Table table;
  for (const auto& cell : lines.front()) table.columns.push_back(name_of(cell));
  for (size_t i = 1; i < lines.size(); ++i) {
    if (lines[i].size() != table.columns.size()) {
      throw FileError(fmt::format("'{}', line {}: want {} cells as the header has, got {}", path,
                                  i + 1, table.columns.size(), lines[i].size()));
    }
    table.rows.push_back(lines[i]);
  }
  return table;
}

size_t column_index(const Table& table, const std::string& name, const std::string& path) {
  const auto found = std::find(table.columns.begin(), table.columns.end(), name);
  if (found == table.columns.end()) {
    throw FileError(fmt::format("'{}': want a column '{}'; nearest is '{}'", path, name,
                                nearest_name(name, table.columns)));
  }
  return static_cast<size_t>(found - table.columns.begin());
}

}  // namespace halcyon
