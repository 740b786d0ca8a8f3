#include "cli/comparison_table.h"

#include <fmt/format.h>

#include <cmath>

#include "cli/html.h"

namespace halcyon {

std::string number_cell(std::optional<double> value, double error) {
  if (!value || !std::isfinite(*value)) return kEmptyCell;
  if (error > 0) return fmt::format("<td>{:.4g} ± {:.1g}</td>", *value, error);
  const bool whole = *value == std::round(*value) && std::abs(*value) < 1e15;
  return whole ? fmt::format("<td>{:.0f}</td>", *value) : fmt::format("<td>{:.5g}</td>", *value);
}

ComparisonTable::ComparisonTable(const std::vector<ComparedRun>& runs, const std::string& corner)
    : runs_(runs),
      text_("<div class=\"scroll\"><table>\n<tr><th class=\"name\">" + corner + "</th>") {
  for (const auto& run : runs) {
    text_ += fmt::format("<th><i style=\"border-top:3px {} {}\"></i>{}</th>",
                         run.dashed ? "dashed" : "solid", run.colour, html::escaped(run.label));
  }
  text_ += "</tr>\n";
}

void ComparisonTable::row(const std::string& name,
                          const std::function<std::string(const ComparedRun&)>& cell) {
  std::string cells;
  bool any = false;
  for (const auto& run : runs_) {
    const auto text = cell(run);
    any = any || text != kEmptyCell;
    cells += text;
  }
  if (any) text_ += "<tr><td class=\"name\">" + name + "</td>" + cells + "</tr>\n";
}

void ComparisonTable::metric_row(const std::string& name, const std::string& column) {
  row(name, [&](const ComparedRun& run) {
    return number_cell(last_value(run.data.metrics, column),
                       last_value(run.data.metrics, column + "_se").value_or(0));
  });
}

}  // namespace halcyon
