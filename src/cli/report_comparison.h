#pragma once

#include <string>
#include <vector>

#include "cli/report_data.h"

namespace halcyon {

/// A run on a page of several: its name there, alone of its kind, and the look of its curves.
struct ComparedRun {
  std::string label;
  std::string colour;
  bool dashed = false;
  ReportData data;
};

/// Reads the runs.  @throws FileError as read_report_data()
std::vector<ComparedRun> read_compared_runs(const std::vector<std::string>& folders);

// The parts of the page, as markup.

std::string comparison_header(const std::vector<ComparedRun>& runs);
/// Where they stand: steps, losses, calibration, information, distances of samples.
std::string comparison_figures(const std::vector<ComparedRun>& runs);
/// Training curves over steps, images and seconds.
std::string comparison_training(const std::vector<ComparedRun>& runs);
/// Fisher curves over each other, and J of every level.
std::string comparison_fisher(const std::vector<ComparedRun>& runs);
/// Latest sample grids beside each other.
std::string comparison_samples(const std::vector<ComparedRun>& runs);
/// The keys of config.ini that differ.
std::string comparison_settings(const std::vector<ComparedRun>& runs);

}  // namespace halcyon
