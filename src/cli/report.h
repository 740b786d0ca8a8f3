#pragma once

#include <string>
#include <vector>

namespace halcyon {

/// Writes the state of a run into one HTML file that needs no other file and no network: its Fisher
/// tables, training curves, samples and settings, as far as they are there.  Plots are drawn by
/// gnuplot; without it, the page says so in their place.
/// @throws FileError if `run_folder` is no run, a table is damaged or `file` cannot be written
void write_report(const std::string& run_folder, const std::string& file);

/// Writes a page of several runs beside each other: figures, curves, samples, and the settings that
/// differ.  @throws FileError as above
void write_comparison(const std::vector<std::string>& run_folders, const std::string& file);

/// `run_folder`/report.html by write_report(), while the run goes on: a failure is a warning.
void refresh_report(const std::string& run_folder);

}  // namespace halcyon
