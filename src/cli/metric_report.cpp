#include "cli/metric_report.h"

#include <fmt/format.h>

#include "cli/estimate_text.h"

namespace halcyon {

std::string metric_text(const MetricReport& report) {
  auto text = fmt::format("{} samples of {}\n", report.count, report.samples);
  text += fmt::format(
      "against {}{}{}\n",
      report.reference_count > 0 ? fmt::format("{} images of ", report.reference_count) : "",
      report.reference, report.split.empty() ? "" : ", " + report.split);
  text += fmt::format("in features of {}\n", report.features);
  for (const auto& row : report.rows) {
    text += fmt::format("{:<30} {:<16} {}", row.label, with_error(row.estimate), row.note);
    text.erase(text.find_last_not_of(' ') + 1);
    text += '\n';
  }
  for (const auto& [metric, why] : report.skipped) {
    text += fmt::format("not measured: {}, which wants {}\n", metric, why);
  }
  return text;
}

std::string metric_json(const MetricReport& report) {
  nlohmann::ordered_json json = {{"samples", report.samples},
                                 {"count", report.count},
                                 {"reference", report.reference},
                                 {"split", report.split},
                                 {"reference_count", report.reference_count},
                                 {"features", report.features},
                                 {"seed", report.seed},
                                 {"seconds", report.seconds}};
  for (const auto& row : report.rows) {
    auto& entry = json["metrics"][row.key];
    entry = to_json(row.estimate);
    if (!row.note.empty()) entry["note"] = row.note;
  }
  for (const auto& [metric, why] : report.skipped) json["skipped"][metric] = why;
  return json.dump(2) + "\n";
}

Table metric_table(const MetricReport& report) {
  Table table{.columns = {"samples", "reference", "split", "features", "seed", "metric", "value",
                          "se", "n"}};
  for (const auto& row : report.rows) {
    table.rows.push_back({report.samples, report.reference, report.split, report.features,
                          static_cast<double>(report.seed), row.key, row.estimate.value,
                          row.estimate.standard_error, static_cast<double>(row.estimate.count)});
  }
  return table;
}

}  // namespace halcyon
