#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "io/table.h"

namespace halcyon {

using MetricsRow = std::vector<std::pair<std::string, double>>;

/// The numbers of a run, row by row, in two files: CSV for plots and spreadsheets, and JSON Lines
/// for programs, where NaN and infinities are null.  Every row has the same names in the same
/// order, the first of which should be "step".  A row is handed to the system as it is appended, so
/// it outlives the process.
class MetricsLog {
 public:
  /// Touches no file before the first append().
  MetricsLog(std::string csv_path, std::string jsonl_path);

  /// @throws FileError if the files cannot be written, or the CSV file has other columns
  void append(const MetricsRow& row);

  /// Drops, atomically, the rows of steps greater than `step` and half-written last lines: a
  /// resumed run, which opens its log afterwards, goes on as if it had never gone further.  Files
  /// that do not exist are left so.  @throws FileError
  static void truncate_after_step(const std::string& csv_path, const std::string& jsonl_path,
                                  int64_t step);

 private:
  std::string csv_path_;
  std::string jsonl_path_;
  std::vector<std::string> columns_;
  std::optional<LineAppender> csv_;
  std::optional<LineAppender> jsonl_;
};

/// The values of `name` over steps, from the JSON Lines file of a run; rows without it are left
/// out.  @throws FileError
std::vector<std::pair<double, double>> read_metric(const std::string& jsonl_path,
                                                   const std::string& name);

}  // namespace halcyon
