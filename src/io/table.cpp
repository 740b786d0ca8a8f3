#include "io/table.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <torch/types.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "core/error.h"
#include "io/atomic_file.h"

namespace halcyon {
namespace {

bool is_whole(double value, double below) {
  return std::abs(value) < below && value == std::trunc(value);
}

std::string csv_text(const Cell& cell) {
  if (const auto* number = std::get_if<double>(&cell)) return number_text(*number);
  if (!std::holds_alternative<std::string>(cell)) return "";
  const auto& text = std::get<std::string>(cell);
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

std::string header_line(const std::vector<std::string>& columns) {
  return csv_line({columns.begin(), columns.end()});
}

std::string csv_rows(const Table& table) {
  std::string text;
  for (const auto& row : table.rows) {
    TORCH_CHECK(row.size() == table.columns.size(), "a row of ", row.size(), " cells under ",
                table.columns.size(), " columns");
    text += csv_line(row);
  }
  return text;
}

std::string shown(const Cell& cell) {
  if (const auto* text = std::get_if<std::string>(&cell)) return *text;
  const auto* number = std::get_if<double>(&cell);
  if (number == nullptr) return "-";
  return is_whole(*number, 1e15) ? number_text(*number) : fmt::format("{:.4g}", *number);
}

/// Columns that a UTF-8 text takes in a terminal.
size_t width_of(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

std::string number_text(double value) {
  char text[32];
  const bool integer = is_whole(value, 9007199254740992.0) && !(value == 0 && std::signbit(value));
  const auto end = integer ? std::to_chars(text, text + sizeof(text), static_cast<int64_t>(value))
                           : std::to_chars(text, text + sizeof(text), value);
  return std::isnan(value) ? "nan" : std::string(text, end.ptr);
}

std::string csv_line(const std::vector<Cell>& cells) {
  std::string line;
  for (size_t i = 0; i < cells.size(); ++i) line += (i > 0 ? "," : "") + csv_text(cells[i]);
  return line + "\n";
}

std::string to_text(const Table& table) {
  const auto columns = table.columns.size();
  std::vector<std::vector<std::string>> lines = {table.columns};
  std::vector<size_t> widths(columns, 0);
  std::vector<bool> is_text(columns, false);
  for (const auto& row : table.rows) {
    TORCH_CHECK(row.size() == columns, "a row of ", row.size(), " cells under ", columns,
                " columns");
    auto& line = lines.emplace_back();
    for (size_t i = 0; i < columns; ++i) {
      line.push_back(shown(row[i]));
      is_text[i] = is_text[i] || std::holds_alternative<std::string>(row[i]);
    }
  }
  for (const auto& line : lines) {
    for (size_t i = 0; i < columns; ++i) widths[i] = std::max(widths[i], width_of(line[i]));
  }
  std::string text;
  for (const auto& line : lines) {
    std::string row;
    for (size_t i = 0; i < columns; ++i) {
      const std::string pad(widths[i] - width_of(line[i]), ' ');
      row += (i > 0 ? "  " : "") + (is_text[i] ? line[i] + pad : pad + line[i]);
    }
    row.erase(row.find_last_not_of(' ') + 1);
    text += row + "\n";
  }
  return text;
}

void write_csv(const std::string& path, const Table& table) {
  write_file_atomically(path, header_line(table.columns) + csv_rows(table));
}

void append_csv(const std::string& path, const Table& table) {
  const auto rows = csv_rows(table);
  open_csv(path, table.columns).append(rows);
}

void truncate_csv_after_step(const std::string& path, int64_t step) {
  if (!std::filesystem::exists(path)) return;
  const auto text = read_file(path);
  std::string kept;
  for (size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos;
       begin = end + 1) {
    const auto line = text.substr(begin, end + 1 - begin);
    if (begin == 0 && line != "step\n" && line.rfind("step,", 0) != 0) {
      throw FileError(
          fmt::format("{} is to be cut at step {}, but its first column is not step: {}", path,
                      step, line.substr(0, line.size() - 1)));
    }
    double row_step = 0;
    const auto parsed = std::from_chars(line.data(), line.data() + line.size(), row_step);
    const bool readable = parsed.ec == std::errc() && (*parsed.ptr == ',' || *parsed.ptr == '\n');
    if (begin == 0 || (readable && row_step <= static_cast<double>(step))) kept += line;
  }
  if (kept != text) write_file_atomically(path, kept);
}

LineAppender::LineAppender(const std::string& path) : path_(path) {
  file_ = FileDescriptor(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (file_.get() < 0) {
    throw FileError(fmt::format("cannot write {}: {}", path, std::strerror(errno)));
  }
  const auto text = read_file(path);
  const auto whole = text.rfind('\n') + 1;  // 0 if there is no line
  if (whole < text.size() && ::ftruncate(file_.get(), static_cast<off_t>(whole)) != 0) {
    throw FileError(fmt::format("cannot write {}: {}", path, std::strerror(errno)));
  }
  if (whole > 0) first_line_ = text.substr(0, text.find('\n'));
}

void LineAppender::append(const std::string& lines) {
  std::error_code ignored;
  const auto size = std::filesystem::file_size(path_, ignored);
  try {
    write_fully(file_, lines, path_);
  } catch (const FileError&) {
    std::filesystem::resize_file(path_, size, ignored);
    throw;
  }
}

LineAppender open_csv(const std::string& path, const std::vector<std::string>& columns) {
  LineAppender file(path);
  const auto header = header_line(columns);
  if (file.first_line().empty()) {
    file.append(header);
  } else if (file.first_line() + "\n" != header) {
    throw FileError(fmt::format("cannot append to {}: its columns are \"{}\", not \"{}\"", path,
                                file.first_line(), header.substr(0, header.size() - 1)));
  }
  return file;
}

}  // namespace halcyon
