#pragma once

#include <string>

#include "cli/report_data.h"

namespace halcyon {

// The parts of a report, as markup.  Where the data of a part are not there, it says how to make
// them, or is left out.

/// Name and state of the run, its figures of merit, and its alarms.
std::string header_section(const ReportData& data);

// From the Fisher tables:
std::string fisher_spectrum_section(const ReportData& data);
std::string calibration_section(const ReportData& data);
std::string information_section(const ReportData& data);
std::string checks_section(const ReportData& data);
std::string structure_section(const ReportData& data);

/// Loss, gradient norm, learning rate and speed over steps.
std::string training_section(const ReportData& data);

// From the files of the run:
std::string samples_section(const ReportData& data);
std::string pictures_section(const ReportData& data);
std::string settings_section(const ReportData& data);

/// The run's film, and its latest sample grid under a heading in markup: each a figure.
std::string film_figure(const std::string& folder);
std::string last_sample_grid(const std::string& folder, const std::string& heading);

}  // namespace halcyon
