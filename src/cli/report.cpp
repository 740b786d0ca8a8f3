#include "cli/report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <exception>

#include "cli/command_line.h"
#include "cli/html.h"
#include "cli/report_comparison.h"
#include "cli/report_sections.h"
#include "core/error.h"
#include "io/atomic_file.h"

namespace halcyon {
namespace {

struct ReportCommand {
  CommonOptions common;
  std::string out;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    CommonOptions::fields(self.common, field);
    field(self.out, "out",
          "the HTML file; empty: report.html in the run directory, or comparison.html here");
  }
};

std::string footer() {
  return fmt::format(
      "<footer>Written by halcyon {}. Information in bits; σ in model units, "
      "pixels in [−1, 1].</footer>\n",
      HALCYON_VERSION);
}

}  // namespace

void write_report(const std::string& run_folder, const std::string& file) {
  const auto data = read_report_data(run_folder);
  auto body = header_section(data);
  for (const auto part :
       {fisher_spectrum_section, calibration_section, information_section, checks_section,
        structure_section, training_section, samples_section, pictures_section, settings_section}) {
    body += part(data);
  }
  body += footer();
  write_file_atomically(file, html::page(data.name + " – Halcyon", body), Durability::process);
}

void write_comparison(const std::vector<std::string>& run_folders, const std::string& file) {
  const auto runs = read_compared_runs(run_folders);
  auto body = comparison_header(runs);
  for (const auto part : {comparison_figures, comparison_settings, comparison_training,
                          comparison_fisher, comparison_samples}) {
    body += part(runs);
  }
  body += footer();
  write_file_atomically(file, html::page(fmt::format("{} runs – Halcyon", runs.size()), body),
                        Durability::process);
}

void refresh_report(const std::string& run_folder) {
  try {
    write_report(run_folder, run_folder + "/report.html");
  } catch (const std::exception& error) {
    fmt::print(stderr, "warning: no report: {}\n", error.what());
  }
}

int report_command(const Arguments& arguments) {
  ReportCommand command;
  Arguments folders;
  if (!parse_command_line("halcyon report RUN [RUN ...] [--out FILE]", command, arguments,
                          folders)) {
    return 0;
  }
  if (folders.empty()) throw ConfigError("halcyon report: want a run directory, got none");
  auto file = command.out;
  if (folders.size() > 1) {
    if (file.empty()) file = "comparison.html";
    write_comparison(folders, file);
  } else {
    if (file.empty()) file = folders.front() + "/report.html";
    write_report(folders.front(), file);
  }
  fmt::print("{}\n", file);
  return 0;
}

}  // namespace halcyon
