#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/metric_job.h"
#include "cli/reference_statistics.h"

namespace halcyon {

/// What the command line says of metrics.
struct MetricChoice {
  std::vector<std::string> metrics;  ///< names; empty: all that can be measured
  std::string reference;             ///< X.npz of the reference's statistics, or empty
  bool keep_features;                ///< write features there too
};

/// Chooses the metrics that can be measured with what a job has, and gives it what they compare.
class MetricPreparation {
 public:
  /// `split` is the reference's.  @throws ConfigError for a metric that is named and wants what is
  /// not there; for a file of other data, or one that is not there and cannot be made; DataError
  /// for a damaged file
  MetricPreparation(MetricChoice choice, MetricJob& job, const std::string& split);

  /// Features and classes for the chosen metrics, from the images or the file; writes the file if
  /// it is not there.
  void compute();

  std::vector<const MetricEntry*> chosen;
  std::map<std::string, std::string> skipped;  ///< metric -> what it wants

 private:
  void choose();
  bool needs(MetricNeed need) const;
  std::string lack(MetricNeed need) const;
  void read_file();
  void add_reference();

  MetricChoice choice_;
  MetricJob& job_;
  std::string about_;
  std::optional<ReferenceFile> file_;
};

}  // namespace halcyon
