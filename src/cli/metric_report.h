#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/metric_job.h"
#include "io/table.h"

namespace halcyon {

/// What was measured of samples.
struct MetricReport {
  std::string samples;  ///< where they are
  int64_t count = 0;
  std::string reference;        ///< data, or the file of its statistics
  std::string split;            ///< of the data; empty for statistics alone
  int64_t reference_count = 0;  ///< 0: not known
  std::string features;         ///< FeatureMap::name()
  uint64_t seed = 0;
  std::vector<MetricRow> rows = {};
  std::map<std::string, std::string> skipped = {};  ///< metric -> why
  double seconds = 0;
};

/// For a terminal: a line a number.
std::string metric_text(const MetricReport& report);
/// evaluation.json.
std::string metric_json(const MetricReport& report);
/// evaluation.csv: a row a number.
Table metric_table(const MetricReport& report);

}  // namespace halcyon
