#include <fmt/format.h>

#include <algorithm>

#include "cli/html.h"
#include "cli/report_figures.h"
#include "cli/report_sections.h"

namespace halcyon {

std::string training_section(const ReportData& data) {
  if (data.metrics.rows.empty()) {
    return html::section("Training", html::missing("No steps are logged yet: <code>halcyon train "
                                                   "--run.dir RUN</code> writes metrics.csv."));
  }
  struct Curve {
    const char* column;
    const char* label;
    bool log_y;
    const char* caption;
  };
  constexpr Curve kCurves[] = {
      {"loss", "loss", true,
       "<b>Loss</b>, the mean of each log interval with a band of 2 standard errors."},
      {"grad_norm", "gradient norm", true, "<b>Gradient norm</b>, before clipping."},
      {"learning_rate", "learning rate", false, "<b>Learning rate.</b>"},
      {"images_per_second", "images/s", false,
       "<b>Speed</b> since the run was started or resumed."},
      {"step_kl", "KL of a step, nats a number", true,
       "<b>Length of a step</b> by the Fisher information, in nats a pixel and channel."},
      {"damping", "damping", true, "<b>Damping</b> of the natural gradient."}};
  const auto& columns = data.metrics.columns;
  std::string figures;
  for (const auto& curve : kCurves) {
    if (std::find(columns.begin(), columns.end(), curve.column) == columns.end()) continue;
    figures += html::figure(metric_plot(data.metrics, curve.column, curve.label, curve.log_y),
                            std::string(curve.label) + " over steps", curve.caption);
  }
  constexpr Curve kBands[] = {
      {"gradient", "|E g|²", true,
       "<b>Gradient by noise level</b>: the square of its mean, with 2 standard errors."},
      {"snr", "|E g|² / tr Cov[g]", true,
       "<b>Signal to noise of the gradient</b> of one image, by noise level, with 2 standard "
       "errors."}};
  for (const auto& curve : kBands) {
    figures += html::figure(band_plot(data.metrics, curve.column, curve.label),
                            std::string(curve.label) + " over steps", curve.caption);
  }
  return html::section("Training", html::row(figures));
}

std::string settings_section(const ReportData& data) {
  std::string body;
  const auto folded = [&](const char* name, const std::string& text) {
    if (text.empty()) return;
    body += fmt::format("<details><summary>{}</summary>\n<pre>{}</pre>\n</details>\n", name,
                        html::escaped(text));
  };
  folded("config.ini", data.config);
  folded("environment.json", data.environment);
  if (body.empty()) body = html::missing("The folder has no config.ini.");
  return html::section("Settings and environment", body);
}

}  // namespace halcyon
