#include "io/metrics_log.h"

#include <torch/types.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "io/atomic_file.h"

namespace halcyon {
namespace {

std::vector<std::string> names_of(const MetricsRow& row) {
  std::vector<std::string> names;
  for (const auto& [name, value] : row) names.push_back(name);
  return names;
}

std::string json_line(const MetricsRow& row) {
  std::string line;
  for (const auto& [name, value] : row) {
    line += (line.empty() ? "{" : ", ") + nlohmann::json(name).dump() + ": " +
            (std::isfinite(value) ? number_text(value) : "null");
  }
  return line + "}\n";
}

bool is_kept(const std::string& line, int64_t step) {
  const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("step") || !json["step"].is_number()) return false;
  return json["step"].get<double>() <= static_cast<double>(step);
}

}  // namespace

MetricsLog::MetricsLog(std::string csv_path, std::string jsonl_path)
    : csv_path_(std::move(csv_path)), jsonl_path_(std::move(jsonl_path)) {}

void MetricsLog::append(const MetricsRow& row) {
  TORCH_CHECK(!row.empty(), "a row of metrics needs a column");
  if (!csv_) {
    columns_ = names_of(row);
    jsonl_.emplace(jsonl_path_);
    csv_ = open_csv(csv_path_, columns_);
  }
  TORCH_CHECK(names_of(row) == columns_, "a row of metrics has other columns than the first");
  std::vector<Cell> cells;
  for (const auto& [name, value] : row) cells.emplace_back(value);
  csv_->append(csv_line(cells));
  jsonl_->append(json_line(row));
}

void MetricsLog::truncate_after_step(const std::string& csv_path, const std::string& jsonl_path,
                                     int64_t step) {
  truncate_csv_after_step(csv_path, step);
  if (!std::filesystem::exists(jsonl_path)) return;
  const auto text = read_file(jsonl_path);
  std::string kept;
  for (size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos;
       begin = end + 1) {
    const auto line = text.substr(begin, end + 1 - begin);
    if (is_kept(line, step)) kept += line;
  }
  if (kept != text) write_file_atomically(jsonl_path, kept);
}

std::vector<std::pair<double, double>> read_metric(const std::string& jsonl_path,
                                                   const std::string& name) {
  std::vector<std::pair<double, double>> values;
  std::istringstream lines(read_file(jsonl_path));
  for (std::string line; std::getline(lines, line);) {
    const auto row = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!row.is_object() || !row.contains("step") || !row.contains(name)) continue;
    if (row["step"].is_number() && row[name].is_number())
      values.emplace_back(row["step"], row[name]);
  }
  return values;
}

}  // namespace halcyon
