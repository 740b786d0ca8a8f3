#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/run_options.h"
#include "fisher/fisher_estimates.h"
#include "fisher/score_norms.h"
#include "io/event_file.h"
#include "io/metrics_log.h"

namespace halcyon {

/// What TensorBoard is shown of a run (docs/report.md has the tags).  Every function appends one
/// event; all throw FileError.
class TrainingEvents {
 public:
  /// Of the events from `first_step` on; see EventFile.
  TrainingEvents(const std::string& folder, int64_t first_step);

  /// The recipe as hyperparameters and all of the configuration as text, unless an earlier start
  /// told them.
  void begin(TrainingRun run);
  /// A row of metrics.csv, whose first column is the step.
  void metrics(const MetricsRow& row);
  /// A PNG file, if it is there.
  void picture(int64_t step, const std::string& tag, const std::string& path);
  void fisher(int64_t step, const std::vector<FisherEstimates>& levels);
  void score_norms(int64_t step, const ScoreNorms& norms);
  void end(int64_t step);

 private:
  bool told_before_;
  EventFile file_;
};

}  // namespace halcyon
