#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "fisher/sample_moments.h"
#include "io/table.h"

namespace halcyon {

/// The rows of fisher_levels.csv that belong together, by rising sigma.
struct LevelTable {
  int64_t step = 0;
  Table rows;

  /// A column of it; all NaN if there is none.
  std::vector<double> column(const std::string& name) const;
};

/// The tables of the same images and weights, by rising step; at least one.
struct LevelHistory {
  std::string split;
  std::string weights;
  std::vector<LevelTable> tables;

  const LevelTable& latest() const { return tables.back(); }
};

/// A line of fisher_spectrum.jsonl.
struct Spectrum {
  int64_t step = 0;
  double sigma = 0;
  std::string matrix;
  std::vector<double> eigenvalues;  ///< from the largest
};

/// What a run directory holds about its run.  What is not there is empty.
struct ReportData {
  std::string folder;
  std::string name;
  std::string date;                             ///< of the newest table, UTC
  std::map<std::string, std::string> settings;  ///< keys of config.ini and their values
  std::optional<int64_t> parameters;            ///< of the network
  Table metrics;
  std::vector<LevelHistory> fisher;  ///< first the one to look at: held-out images, EMA weights
  Table integrals;                   ///< of the same images and weights, if it has them
  Table jacobian;
  std::vector<Spectrum> spectra;                   ///< of the latest step
  std::optional<std::vector<std::string>> alarms;  ///< none where the table was not checked
  std::map<std::string, Estimate> distances;       ///< of JSON files in it or in its folders
  std::string config;                              ///< the text of config.ini
  std::string environment;                         ///< the text of environment.json
};

/// Reads a run directory, or any folder that holds fisher_levels.csv.  Files of `halcyon fisher`
/// count as the run's if they are in its folder "fisher".
/// @throws FileError if the folder is not there or holds neither, or for a table that is damaged
ReportData read_report_data(const std::string& folder);

/// The last finite value of a column.
std::optional<double> last_value(const Table& table, const std::string& column);

}  // namespace halcyon
