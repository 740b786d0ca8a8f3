#include "io/csv_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>

#include "core/error.h"
#include "core/registry.h"
#include "io/atomic_file.h"

namespace halcyon {
namespace {

Cell unquoted_cell(const std::string& text) {
  if (text.empty()) return std::monostate{};
  double value = 0;
  const auto* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  return parsed.ec == std::errc() && parsed.ptr == end ? Cell(value) : Cell(text);
}

/// Rows one after another out of the text of a file.
class CsvText {
 public:
  CsvText(std::string text, const std::string& path) : text_(std::move(text)), path_(path) {}

  /// The next row; nothing at the end, or if only a line without its end is left.
  std::optional<std::vector<Cell>> next_row() {
    std::vector<Cell> row;
    first_line_ = line_;
    while (at_ < text_.size()) {
      auto cell = text_[at_] == '"' ? quoted_cell() : plain_cell();
      if (at_ >= text_.size()) break;
      row.push_back(std::move(cell));
      const char after = text_[at_++];
      if (after == ',') continue;
      if (after == '\r' && at_ < text_.size() && text_[at_] == '\n') ++at_;
      ++line_;
      return row;
    }
    return std::nullopt;
  }

  [[noreturn]] void fail(const std::string& reason) const {
    throw FileError(fmt::format("{}, line {}: {}", path_, first_line_, reason));
  }

 private:
  Cell plain_cell() {
    const auto end = std::min(text_.find_first_of(",\r\n", at_), text_.size());
    const auto text = text_.substr(at_, end - at_);
    at_ = end;
    return unquoted_cell(text);
  }

  Cell quoted_cell() {
    std::string cell;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\n') ++line_;
      if (text_[at_] != '"') {
        cell += text_[at_];
      } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '"') {
        cell += text_[++at_];
      } else {
        ++at_;
        if (at_ < text_.size() && std::string(",\r\n").find(text_[at_]) == std::string::npos) {
          fail("a quoted cell goes on after its quote");
        }
        return cell;
      }
    }
    fail("a quote does not end");
  }

  std::string text_;
  std::string path_;
  size_t at_ = 0;
  int64_t line_ = 1;
  int64_t first_line_ = 1;
};

std::string cell_text(const Cell& cell) {
  if (const auto* number = std::get_if<double>(&cell)) return number_text(*number);
  const auto* text = std::get_if<std::string>(&cell);
  return text == nullptr ? "" : *text;
}

std::optional<size_t> position(const Table& table, const std::string& column) {
  const auto found = std::find(table.columns.begin(), table.columns.end(), column);
  if (found == table.columns.end()) return std::nullopt;
  return static_cast<size_t>(found - table.columns.begin());
}

}  // namespace

Table read_csv(const std::string& path) {
  CsvText text(read_file(path), path);
  Table table;
  const auto header = text.next_row();
  if (!header) return table;
  for (const auto& name : *header) table.columns.push_back(cell_text(name));
  while (auto row = text.next_row()) {
    if (row->size() != table.columns.size()) {
      text.fail(fmt::format("{} cells under {} columns", row->size(), table.columns.size()));
    }
    table.rows.push_back(std::move(*row));
  }
  return table;
}

std::vector<double> column_numbers(const Table& table, const std::string& column) {
  std::vector<double> values(table.rows.size(), std::numeric_limits<double>::quiet_NaN());
  const auto at = position(table, column);
  for (size_t i = 0; at && i < values.size(); ++i) {
    if (const auto* number = std::get_if<double>(&table.rows[i][*at])) values[i] = *number;
  }
  return values;
}

std::vector<std::string> column_texts(const Table& table, const std::string& column) {
  std::vector<std::string> texts(table.rows.size());
  const auto at = position(table, column);
  for (size_t i = 0; at && i < texts.size(); ++i) texts[i] = cell_text(table.rows[i][*at]);
  return texts;
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
