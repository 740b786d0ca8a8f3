#include "cli/report_comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <set>

#include "cli/comparison_table.h"
#include "cli/html.h"
#include "cli/report_figures.h"
#include "cli/report_sections.h"
#include "io/csv_reader.h"

namespace halcyon {
namespace {

using Runs = std::vector<ComparedRun>;

constexpr size_t kColours = 7;

const LevelTable* levels_of(const ComparedRun& run) {
  return run.data.fisher.empty() ? nullptr : &run.data.fisher.front().latest();
}

/// metrics.csv counts the seconds anew in every start of a run; here they go on.
std::vector<double> seconds_of(const Table& metrics) {
  auto seconds = column_numbers(metrics, "seconds");
  double before = 0, last = 0;
  for (auto& value : seconds) {
    if (value < last) before += last;
    last = value;
    value += before;
  }
  return seconds;
}

std::string worst_calibration(const ComparedRun& run) {
  const auto* table = levels_of(run);
  if (table == nullptr) return kEmptyCell;
  const auto value = table->column("score_calibration"),
             error = table->column("score_calibration_se");
  const auto sigma = table->column("sigma");
  size_t worst = value.size();
  for (size_t i = 0; i < value.size(); ++i) {
    if (!std::isfinite(value[i])) continue;
    if (worst == value.size() || std::abs(value[i] - 1) > std::abs(value[worst] - 1)) worst = i;
  }
  if (worst == value.size()) return kEmptyCell;
  const auto margin = error[worst] > 0 ? fmt::format(" ± {:.1g}", error[worst]) : "";
  return fmt::format("<td>{:.4g}{} at σ = {:.3g}</td>", value[worst], margin, sigma[worst]);
}

std::string information(const ComparedRun& run) {
  const auto* table = levels_of(run);
  if (table == nullptr) return kEmptyCell;
  const auto area = information_area(*table);
  return number_cell(area.bits_per_dim, area.standard_error);
}

std::string likelihood(const ComparedRun& run, const std::string& column) {
  return number_cell(last_value(run.data.integrals, column),
                     last_value(run.data.integrals, column + "_se").value_or(0));
}

/// The series of the runs that have one, each in its own look.
Plot overlaid(const Runs& runs, Plot plot,
              const std::function<PlotSeries(const ComparedRun&)>& series_of) {
  for (const auto& run : runs) {
    auto series = series_of(run);
    const bool any =
        std::any_of(series.y.begin(), series.y.end(), [](double y) { return std::isfinite(y); });
    if (!any) continue;
    series.title = run.label;
    series.colour = run.colour;
    series.dashed = run.dashed;
    plot.series.push_back(std::move(series));
  }
  return plot;
}

std::string level_figure(const Runs& runs, const Plot& plot, const std::string& column,
                         const std::string& caption) {
  const auto overlay = overlaid(runs, plot, [&](const ComparedRun& run) {
    const auto* table = levels_of(run);
    return table == nullptr ? PlotSeries() : level_series(*table, "", column);
  });
  return html::figure(overlay, plot.y_label + " of the runs", caption);
}

/// J by level.  Levels that print alike are one row.
std::string information_table(const Runs& runs) {
  std::map<double, std::string> names;
  std::set<std::string> known;
  for (const auto& run : runs) {
    if (levels_of(run) == nullptr) continue;
    for (const double sigma : levels_of(run)->column("sigma")) {
      auto name = fmt::format("{:.4g}", sigma);
      if (known.insert(name).second) names[sigma] = name;
    }
  }
  ComparisonTable table(runs, "σ");
  for (const auto& [level, name] : names) {
    table.row(name, [&, wanted = name](const ComparedRun& run) -> std::string {
      const auto* levels = levels_of(run);
      if (levels == nullptr) return kEmptyCell;
      const auto sigma = levels->column("sigma"), value = levels->column("fisher_info_obs");
      const auto error = levels->column("fisher_info_obs_se");
      for (size_t i = 0; i < sigma.size(); ++i) {
        if (fmt::format("{:.4g}", sigma[i]) == wanted) return number_cell(value[i], error[i]);
      }
      return kEmptyCell;
    });
  }
  return table.markup();
}

}  // namespace

std::vector<ComparedRun> read_compared_runs(const std::vector<std::string>& folders) {
  Plot palette;
  palette.series.resize(kColours);
  const auto colours = series_colours(palette);
  std::map<std::string, int> same;
  std::vector<ComparedRun> runs;
  for (size_t i = 0; i < folders.size(); ++i) {
    runs.push_back(
        {"", colours[i % kColours], i / kColours % 2 == 1, read_report_data(folders[i])});
    ++same[runs.back().data.name];
  }
  for (auto& run : runs) run.label = same[run.data.name] > 1 ? run.data.folder : run.data.name;
  return runs;
}

std::string comparison_header(const Runs& runs) {
  std::string names;
  for (const auto& run : runs) {
    names += (names.empty() ? "" : " · ") + html::escaped(run.label);
  }
  return fmt::format(
      "<header>\n<p class=\"kicker\">Halcyon comparison</p>\n<h1>{} runs</h1>\n"
      "<p class=\"soft\">{}</p>\n</header>\n",
      runs.size(), names);
}

std::string comparison_figures(const Runs& runs) {
  ComparisonTable table(runs, "");
  table.metric_row("step", "step");
  table.metric_row("images seen", "images");
  table.row("training time (s)", [](const ComparedRun& run) {
    const auto seconds = seconds_of(run.data.metrics);
    return seconds.empty() ? kEmptyCell : number_cell(seconds.back());
  });
  table.metric_row("images/s", "images_per_second");
  table.row("parameters", [](const ComparedRun& run) {
    return run.data.parameters ? fmt::format("<td>{}</td>", *run.data.parameters) : kEmptyCell;
  });
  table.metric_row("training loss, last interval", "loss");
  table.metric_row("E|x<sub>0</sub> − D|²/d, last interval", "x0_mse");
  table.row("worst calibration c*", worst_calibration);
  table.row("information (bits/dim)", information);
  table.row("NLL, information bound (bits/dim)",
            [](const ComparedRun& run) { return likelihood(run, "nll_it_bpd"); });
  table.row("NLL, probability flow (bits/dim)",
            [](const ComparedRun& run) { return likelihood(run, "nll_ode_bpd"); });
  std::set<std::string> distances;
  for (const auto& run : runs) {
    for (const auto& [name, distance] : run.data.distances) distances.insert(name);
  }
  for (const auto& name : distances) {
    table.row(html::escaped(name), [&](const ComparedRun& run) -> std::string {
      const auto found = run.data.distances.find(name);
      return found == run.data.distances.end()
                 ? kEmptyCell
                 : number_cell(found->second.value, found->second.standard_error);
    });
  }
  return html::section(
      "Where they stand",
      table.markup() +
          "<p class=\"soft\">± is one standard error. A loss is comparable only between "
          "runs of one <code>loss</code> and one distribution of σ.</p>\n");
}

std::string comparison_training(const Runs& runs) {
  const auto figure = [&](const std::string& column, const std::string& x_label,
                          const std::string& y_label, const std::string& caption,
                          const std::function<std::vector<double>(const Table&)>& x_of) {
    const auto plot = overlaid(runs, {.x_label = x_label, .y_label = y_label, .log_y = true},
                               [&](const ComparedRun& run) {
                                 const auto& metrics = run.data.metrics;
                                 return metric_series(metrics, x_of(metrics), column);
                               });
    return html::figure(plot, y_label + " over " + x_label, caption);
  };
  const auto steps = [](const Table& table) { return column_numbers(table, "step"); };
  const auto images = [](const Table& table) { return column_numbers(table, "images"); };
  return html::section(
      "Training",
      html::row(figure("loss", "step", "loss",
                       "<b>Loss over steps</b>, the mean of each log interval with a band of 2 "
                       "standard errors.",
                       steps) +
                figure("loss", "images", "loss", "<b>Loss over images</b> seen.", images) +
                figure("loss", "seconds", "loss",
                       "<b>Loss over seconds</b> of training, all starts of a run together.",
                       seconds_of) +
                figure("x0_mse", "images", "E|x₀ − D|²/d",
                       "<b>Error of the denoised image</b> over images seen, which does not depend "
                       "on how the loss weighs it.",
                       images)));
}

std::string comparison_fisher(const Runs& runs) {
  std::string of;
  for (const auto& run : runs) {
    const auto* table = levels_of(run);
    if (table == nullptr) continue;
    const auto& history = run.data.fisher.front();
    of += fmt::format("{}{}: step {}, {} images, {} weights", of.empty() ? "" : "; ",
                      html::escaped(run.label), table->step, html::escaped(history.split),
                      html::escaped(history.weights));
  }
  if (of.empty()) return "";
  const std::string sigma = "noise level σ (model units)";
  const auto figures =
      level_figure(runs,
                   {.x_label = sigma, .y_label = "Fisher fraction  j = σ² J / d", .log_x = true},
                   "fisher_frac_obs",
                   "<b>Observed Fisher information</b> as a share of pure noise’s, with bands of 2 "
                   "standard errors.") +
      level_figure(runs, {.x_label = sigma, .y_label = "score calibration  c*", .log_x = true},
                   "score_calibration",
                   "<b>Calibration</b>: the factor that the score lacks; 1 for a true score.") +
      level_figure(
          runs,
          {.x_label = sigma, .y_label = "noise left  E|n − ε̂|² / d", .log_x = true, .log_y = true},
          "eps_mse", "<b>Loss by noise level</b>: lower is better, at every σ by itself.");
  return html::section("Fisher information",
                       fmt::format("<p class=\"soft\">{}</p>\n", of) + html::row(figures) +
                           "<p>Observed Fisher information J = −E tr ∇s by noise level:</p>\n" +
                           information_table(runs));
}

std::string comparison_samples(const Runs& runs) {
  std::string grids;
  for (const auto& run : runs) {
    grids += last_sample_grid(run.data.folder, "<b>" + html::escaped(run.label) + "</b>");
  }
  return html::section("Samples", "<div class=\"row columns\">\n" + grids + "</div>\n");
}

std::string comparison_settings(const Runs& runs) {
  std::set<std::string> keys;
  for (const auto& run : runs) {
    for (const auto& [key, value] : run.data.settings) {
      if (key != "run.dir") keys.insert(key);
    }
  }
  const auto value_in = [](const ComparedRun& run, const std::string& key) {
    const auto found = run.data.settings.find(key);
    return found == run.data.settings.end() ? std::string() : found->second;
  };
  ComparisonTable table(runs, "key");
  bool any = false;
  for (const auto& key : keys) {
    const bool differs = std::any_of(runs.begin(), runs.end(), [&](const auto& run) {
      return value_in(run, key) != value_in(runs.front(), key);
    });
    if (!differs) continue;
    any = true;
    table.row("<code>" + html::escaped(key) + "</code>", [&](const ComparedRun& run) {
      const auto value = value_in(run, key);
      return value.empty() ? kEmptyCell : "<td>" + html::escaped(value) + "</td>";
    });
  }
  return html::section(
      "Settings that differ",
      any ? table.markup()
          : html::missing("None: every key but <code>run.dir</code> is the same."));
}

}  // namespace halcyon
