#include <fmt/format.h>

#include <cmath>
#include <set>

#include "cli/html.h"
#include "cli/report_figures.h"
#include "cli/report_sections.h"

namespace halcyon {
namespace {

using html::escaped;

constexpr const char* kNoTable =
    "No Fisher table yet: train with <code>--run.fisher_every N</code>, or measure a checkpoint "
    "with <code>halcyon fisher --checkpoint RUN --out RUN/fisher</code>.";

std::string images_of(const LevelHistory& history) {
  const auto images = history.latest().column("n");
  const auto count = images.empty() || !std::isfinite(images.front())
                         ? std::string()
                         : fmt::format("{:.0f} ", images.front());
  return fmt::format("step {}, {}{} images, {} weights", history.latest().step, count,
                     escaped(history.split), escaped(history.weights));
}

/// The history with most to show over time: the first, unless it has one table and another more.
const LevelHistory& longest(const std::vector<LevelHistory>& histories) {
  const auto* chosen = &histories.front();
  for (const auto& history : histories) {
    if (chosen->tables.size() < 2 && history.tables.size() > 1) chosen = &history;
  }
  return *chosen;
}

struct Check {
  const char* column;
  const char* heading;
};
constexpr Check kChecks[] = {{"mean_score_z", "mean score<br>E s = 0"},
                             {"virial_z", "virial<br>−E[x·s]/d = 1"},
                             {"consistency_z", "consistency<br>E|s|² = −E tr ∇s"},
                             {"dsm_minus_ism_minus_const_z", "DSM − ISM − d/σ²<br>tests the code"}};

std::string z_cell(double z) {
  if (!std::isfinite(z)) return "<td>–</td>";
  return fmt::format("<td{}>{}{:.1f}</td>", std::abs(z) > 5 ? " class=\"bad\"" : "",
                     z < -0.05 ? "−" : "", std::abs(z));
}

std::string cell(double value, double error) {
  if (!std::isfinite(value)) return "<td>–</td>";
  if (!(error > 0)) return fmt::format("<td>{:.4g}</td>", value);
  return fmt::format("<td>{:.4g} ± {:.1g}</td>", value, error);
}

std::string generic_table(const Table& table) {
  std::string text = "<div class=\"scroll\"><table>\n<tr>";
  for (const auto& column : table.columns) text += "<th>" + escaped(column) + "</th>";
  for (const auto& row : table.rows) {
    text += "</tr>\n<tr>";
    for (const auto& value : row) {
      const auto* number = std::get_if<double>(&value);
      const auto* words = std::get_if<std::string>(&value);
      text += number != nullptr  ? fmt::format("<td>{:.4g}</td>", *number)
              : words != nullptr ? "<td>" + escaped(*words) + "</td>"
                                 : "<td>–</td>";
    }
  }
  return text + "</tr>\n</table></div>\n";
}

}  // namespace

std::string fisher_spectrum_section(const ReportData& data) {
  if (data.fisher.empty()) return html::section("Fisher spectrum", html::missing(kNoTable));
  const auto& history = data.fisher.front();
  const auto* other = data.fisher.size() > 1 ? &data.fisher[1] : nullptr;
  const auto spectrum = html::figure(
      fisher_spectrum_plot(history.latest()), "Fisher fraction over noise levels",
      "<b>Fisher spectrum.</b> The share of pure noise’s information that is left, by three "
      "estimators with bands of 2 standard errors. They agree for the true score. Whatever the "
      "network, j itself is above the dashed bounds that say so.");
  const auto loss = html::figure(
      loss_over_floor_plot(history, other), "Loss over noise levels between its bounds",
      "<b>Loss over its floor.</b> The share of noise that the denoiser leaves, over training. It "
      "can fall to the floor set by the data and no further: compare it with the bounds, never "
      "across noise levels.");
  return html::section(
      "Fisher information of the data score",
      fmt::format("<p class=\"soft\">{}</p>\n", images_of(history)) + html::row(spectrum + loss));
}

std::string calibration_section(const ReportData& data) {
  if (data.fisher.empty()) return "";
  const auto& history = longest(data.fisher);
  auto figures = html::figure(
      calibration_plot(data.fisher.front().latest()), "Score calibration over noise levels",
      "<b>Calibration now</b>, with a band of 2 standard errors: the factor that the score lacks. "
      "Above 1 the score is too short, below 1 too long.");
  if (history.tables.size() > 1) {
    const auto map = calibration_map(history);
    figures += html::figure(
        map, "Calibration error over steps and noise levels",
        fmt::format("<b>Calibration over training</b> ({} images, {} weights). Colours reach "
                    "±{:.3g}&nbsp;%; cells beyond have the last colour, and grey was not measured.",
                    escaped(history.split), escaped(history.weights), 100 * map.limit));
  } else {
    figures += html::missing(
        "The map of calibration over training wants two Fisher tables: train with a smaller "
        "<code>--run.fisher_every</code>.");
  }
  return html::section("Score calibration", html::row(figures));
}

std::string information_section(const ReportData& data) {
  if (data.fisher.empty()) return "";
  const auto& table = data.fisher.front().latest();
  const auto area = information_area(table);
  const auto nats = area.bits_per_dim * table.column("d").front() * std::log(2.0);
  const auto sigma = table.column("sigma");
  const auto bound = last_value(data.integrals, "nll_it_bpd");
  auto words = fmt::format(
      "<b>Where the bits are.</b> Bits per dimension that the images reveal as σ falls by an "
      "octave. The area, {:.4g} ± {:.1g} bits/dim{}, bounds from above the "
      "information gained from σ = {:.3g} down to σ = {:.3g}{}.",
      area.bits_per_dim, area.standard_error,
      std::isfinite(nats) ? fmt::format(" or {:.4g} nats", nats) : "", sigma.back(), sigma.front(),
      bound ? fmt::format("; negative log-likelihood: {:.3f} bits/dim", *bound) : "");
  auto figures =
      html::figure(information_rate_plot(table), "Information rate over noise levels", words) +
      html::figure(effective_variance_plot(table), "Effective variance over noise levels",
                   "<b>Effective variance</b> v = d/J − σ²: that of the isotropic Gaussian with "
                   "the same Fisher information. It rises with σ towards the variance of the data; "
                   "where it falls by more than its band, a level is badly fitted.");
  if (data.integrals.rows.size() > 1) {
    figures += html::figure(metric_plot(data.integrals, "nll_it_bpd", "bits/dim", /*log_y=*/false),
                            "Negative log-likelihood over steps",
                            "<b>Negative log-likelihood</b> over training: the information bound.");
  }
  return html::section("Information rate", html::row(figures));
}

std::string checks_section(const ReportData& data) {
  if (data.fisher.empty()) return "";
  const auto& table = data.fisher.front().latest();
  const auto sigma = table.column("sigma");
  std::string text = "<div class=\"scroll\"><table>\n<tr><th>σ</th>";
  for (const auto& check : kChecks) text += fmt::format("<th>{}</th>", check.heading);
  text += "<th>calibration c*</th><th>share of noise left</th></tr>\n";
  std::vector<std::vector<double>> z;
  for (const auto& check : kChecks) z.push_back(table.column(check.column));
  const auto calibration = table.column("score_calibration"), loss = table.column("eps_mse");
  const auto calibration_se = table.column("score_calibration_se");
  const auto loss_se = table.column("eps_mse_se");
  for (size_t i = 0; i < sigma.size(); ++i) {
    text += fmt::format("<tr><td>{:.4g}</td>", sigma[i]);
    for (const auto& column : z) text += z_cell(column[i]);
    text += cell(calibration[i], calibration_se[i]) + cell(loss[i], loss_se[i]) + "</tr>\n";
  }
  return html::section(
      "Checks",
      fmt::format("<p>Identities that the true score fulfils, in standard errors ({}). Of order 1 "
                  "is good; beyond 5 is red.</p>\n{}</table></div>\n",
                  images_of(data.fisher.front()), text));
}

std::string structure_section(const ReportData& data) {
  std::set<std::string> matrices;
  for (const auto& spectrum : data.spectra) matrices.insert(spectrum.matrix);
  std::string figures;
  for (const auto& matrix : matrices) {
    figures += html::figure(
        spectrum_plot(data.spectra, matrix), "Eigenvalues of " + matrix,
        fmt::format("<b>Eigenvalues of {}</b> by rank, from low noise (light) to high (dark), at "
                    "step {}.",
                    escaped(matrix), data.spectra.front().step));
  }
  auto body = html::row(figures);
  if (!data.jacobian.rows.empty()) {
    body += "<details><summary>Denoiser Jacobian (fisher_jacobian.csv)</summary>\n" +
            generic_table(data.jacobian) + "</details>\n";
  }
  return body.empty() ? "" : html::section("Spectrum and Jacobian", body);
}

}  // namespace halcyon
