#include "cli/report_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "cli/band_columns.h"
#include "io/csv_reader.h"

namespace halcyon {
namespace {

constexpr const char* kSigma = "noise level σ (model units)";
constexpr const char* kNeutral = "#6b7280";
constexpr const char* kInk = "#111827";

std::vector<double> scaled(std::vector<double> values, double factor, double offset = 0) {
  for (auto& value : values) value = offset + factor * value;
  return values;
}

/// A bound or an exact value: 1 - column, or the column itself.
PlotSeries reference(const LevelTable& table, const std::string& title, const std::string& column,
                     bool complement, const std::string& colour, bool dashed) {
  return {.title = title,
          .x = table.column("sigma"),
          .y = complement ? scaled(table.column(column), -1, 1) : table.column(column),
          .dashed = dashed,
          .colour = colour};
}

bool has_values(const PlotSeries& series) {
  return std::any_of(series.y.begin(), series.y.end(), [](double y) { return std::isfinite(y); });
}

void add(Plot& plot, PlotSeries series) {
  if (has_values(series)) plot.series.push_back(std::move(series));
}

void add_bounds(Plot& plot, const LevelTable& table, bool complement) {
  add(plot,
      reference(table,
                complement ? "linear denoiser: j is above" : "linear denoiser: an upper bound",
                "lmmse", complement, kNeutral, true));
  add(plot, reference(table,
                      complement ? "training set’s optimum: j is below"
                                 : "training set’s optimum: a lower bound",
                      "empirical_floor", complement, "#b7791f", true));
  add(plot, reference(table, "exact", "eps_mse_exact", complement, kInk, false));
}

/// At most `most` of 0 .. count - 1, evenly spaced, with both ends.
std::vector<size_t> evenly(size_t count, size_t most) {
  std::vector<size_t> chosen;
  const auto picks = std::min(count, most);
  for (size_t i = 0; i < picks; ++i) {
    chosen.push_back(picks == 1 ? count - 1 : i * (count - 1) / (picks - 1));
  }
  return chosen;
}

double mean(const std::vector<double>& values, size_t begin, size_t end) {
  double sum = 0;
  for (size_t i = begin; i < end; ++i) sum += values[i];
  return sum / static_cast<double>(end - begin);
}

}  // namespace

PlotSeries level_series(const LevelTable& table, const std::string& title,
                        const std::string& column) {
  return {.title = title,
          .x = table.column("sigma"),
          .y = table.column(column),
          .y_error = scaled(table.column(column + "_se"), 2),
          .fill = Fill::band};
}

Plot fisher_spectrum_plot(const LevelTable& table) {
  Plot plot{.x_label = kSigma, .y_label = "Fisher fraction  j = σ² J / d", .log_x = true};
  add(plot, level_series(table, "second moment E|s|²", "fisher_frac_exp"));
  add(plot, level_series(table, "observed −E tr ∇s", "fisher_frac_obs"));
  add(plot, level_series(table, "Stein −E[n·s]/σ", "fisher_frac_stein"));
  add(plot, reference(table, "certified: j is above", "fisher_frac_low", false, "#7c3aed", true));
  add_bounds(plot, table, /*complement=*/true);
  return plot;
}

Plot loss_over_floor_plot(const LevelHistory& history, const LevelHistory* other) {
  Plot plot{
      .x_label = kSigma, .y_label = "noise left  E|n − ε̂|² / d", .log_x = true, .log_y = true};
  const auto chosen = evenly(history.tables.size(), 6);
  for (size_t i = 0; i < chosen.size(); ++i) {
    const auto& table = history.tables[chosen[i]];
    auto series = level_series(table, fmt::format("step {}", table.step), "eps_mse");
    const auto share =
        chosen.size() == 1 ? 1 : static_cast<double>(i) / static_cast<double>(chosen.size() - 1);
    series.colour = sequential_colour(share);
    add(plot, std::move(series));
  }
  if (other != nullptr) {
    const auto& table = other->latest();
    add(plot,
        reference(table, fmt::format("{}, {}, step {}", other->split, other->weights, table.step),
                  "eps_mse", false, "#b5469b", true));
  }
  add_bounds(plot, history.latest(), /*complement=*/false);
  return plot;
}

Plot calibration_plot(const LevelTable& table) {
  Plot plot{.x_label = kSigma, .y_label = "score calibration  c*", .log_x = true};
  add(plot, level_series(table, fmt::format("step {}", table.step), "score_calibration"));
  if (plot.series.empty()) return plot;
  const auto sigma = table.column("sigma");
  plot.series.push_back({.title = "1: calibrated",
                         .x = {sigma.front(), sigma.back()},
                         .y = {1, 1},
                         .dashed = true,
                         .colour = kNeutral});
  return plot;
}

HeatMap calibration_map(const LevelHistory& history) {
  HeatMap map{
      .x_label = "step", .y_label = kSigma, .colour_label = "c* − 1", .log_y = true, .limit = 0};
  for (const auto index : evenly(history.tables.size(), 60)) {
    const auto& table = history.tables[index];
    auto values = scaled(table.column("score_calibration"), 1, -1);
    for (const auto value : values) {
      if (std::isfinite(value)) map.limit = std::max(map.limit, std::abs(value));
    }
    map.columns.push_back(
        {static_cast<double>(table.step), table.column("sigma"), std::move(values)});
  }
  map.limit = map.limit > 0 ? std::min(map.limit, 0.05) : 0.05;
  return map;
}

Plot information_rate_plot(const LevelTable& table) {
  Plot plot{.x_label = kSigma, .y_label = "information rate (bits/dim per octave)", .log_x = true};
  const auto area = information_area(table);
  auto rate = level_series(
      table, fmt::format("area {:.3f} ± {:.1g} bits/dim", area.bits_per_dim, area.standard_error),
      "eps_mse");
  rate.fill = Fill::area;
  rate.y_error.clear();
  add(plot, std::move(rate));
  add(plot, reference(table, "linear denoiser", "lmmse", false, kNeutral, true));
  add(plot, reference(table, "exact", "eps_mse_exact", false, kInk, false));
  return plot;
}

InformationArea information_area(const LevelTable& table) {
  const auto sigma = table.column("sigma"), rate = table.column("eps_mse");
  const auto error = table.column("eps_mse_se");
  InformationArea area;
  for (size_t i = 0; i < sigma.size(); ++i) {
    const auto below = i > 0 ? std::log2(sigma[i] / sigma[i - 1]) : 0;
    const auto above = i + 1 < sigma.size() ? std::log2(sigma[i + 1] / sigma[i]) : 0;
    area.bits_per_dim += rate[i] * (below + above) / 2;
    area.standard_error += error[i] * (below + above) / 2;
  }
  return area;
}

Plot effective_variance_plot(const LevelTable& table) {
  Plot plot{.x_label = kSigma, .y_label = "effective variance", .log_x = true, .log_y = true};
  add(plot, level_series(table, fmt::format("step {}", table.step), "effective_variance"));
  return plot;
}

Plot spectrum_plot(const std::vector<Spectrum>& spectra, const std::string& matrix) {
  std::vector<const Spectrum*> shown;
  for (const auto& spectrum : spectra) {
    if (spectrum.matrix == matrix) shown.push_back(&spectrum);
  }
  std::sort(shown.begin(), shown.end(),
            [](const auto* a, const auto* b) { return a->sigma < b->sigma; });
  Plot plot{.x_label = "rank", .y_label = "eigenvalue", .log_x = true, .log_y = true};
  const auto chosen = evenly(shown.size(), 8);
  for (size_t i = 0; i < chosen.size(); ++i) {
    const auto& spectrum = *shown[chosen[i]];
    PlotSeries series{.title = fmt::format("σ = {:.3g}", spectrum.sigma), .x = {}, .y = {}};
    for (size_t k = 0; k < spectrum.eigenvalues.size(); ++k) {
      series.x.push_back(static_cast<double>(k + 1));
      series.y.push_back(spectrum.eigenvalues[k]);
    }
    const auto last = static_cast<double>(std::max<size_t>(1, chosen.size() - 1));
    series.colour = sequential_colour(static_cast<double>(i) / last);
    add(plot, std::move(series));
  }
  return plot;
}

PlotSeries metric_series(const Table& metrics, const std::vector<double>& x,
                         const std::string& column, size_t most) {
  const auto value = column_numbers(metrics, column);
  const auto error = column_numbers(metrics, column + "_se");
  const auto group = (x.size() + most - 1) / most;
  PlotSeries series{.title = "", .x = {}, .y = {}, .fill = Fill::band};
  for (size_t begin = 0; begin < x.size(); begin += group) {
    const auto end = std::min(begin + group, x.size());
    double variance = 0;
    for (size_t i = begin; i < end; ++i) variance += error[i] * error[i];
    series.x.push_back(mean(x, begin, end));
    series.y.push_back(mean(value, begin, end));
    series.y_error.push_back(2 * std::sqrt(variance) / static_cast<double>(end - begin));
  }
  return series;
}

Plot metric_plot(const Table& metrics, const std::string& column, const std::string& label,
                 bool log_y) {
  Plot plot{.x_label = "step", .y_label = label, .log_y = log_y};
  add(plot, metric_series(metrics, column_numbers(metrics, "step"), column));
  return plot;
}

Plot band_plot(const Table& metrics, const std::string& quantity, const std::string& label) {
  Plot plot{.x_label = "step", .y_label = label};
  const auto step = column_numbers(metrics, "step");
  const auto bands = band_count(metrics.columns);
  for (int64_t k = 0; k < bands; ++k) {
    auto series = metric_series(metrics, step, band_column(k, quantity), /*most=*/25);
    series.fill = Fill::none;
    series.title =
        fmt::format("σ about {:.2g}", column_numbers(metrics, band_column(k, "sigma")).back());
    add(plot, std::move(series));
  }
  return plot;
}

}  // namespace halcyon
