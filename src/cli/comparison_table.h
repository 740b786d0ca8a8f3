#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/report_comparison.h"

namespace halcyon {

constexpr const char* kEmptyCell = "<td>–</td>";

/// A number to 5 digits, or with its standard error; an empty cell for none.
std::string number_cell(std::optional<double> value, double error = 0);

/// A table of markup with a column for each run.
class ComparisonTable {
 public:
  /// `corner` is the head of the first column, markup.
  ComparisonTable(const std::vector<ComparedRun>& runs, const std::string& corner);

  /// Adds a row of cells; none if all are empty.
  void row(const std::string& name, const std::function<std::string(const ComparedRun&)>& cell);
  /// The last value of a column of metrics.csv, with its standard error if it has one.
  void metric_row(const std::string& name, const std::string& column);

  std::string markup() const { return text_ + "</table></div>\n"; }

 private:
  const std::vector<ComparedRun>& runs_;
  std::string text_;
};

}  // namespace halcyon
