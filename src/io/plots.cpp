#include "io/plots.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/types.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "io/atomic_file.h"
#include "io/plot_axis.h"
#include "io/table.h"

namespace halcyon {
namespace {

// Okabe and Ito's colours, which the colour-blind tell apart.
constexpr std::array kColours = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                 "#E69F00", "#56B4E9", "#000000"};

struct Point {
  double x, y, low, high;
};

std::vector<Point> drawable(const PlotSeries& series, const Plot& plot) {
  TORCH_CHECK(series.x.size() == series.y.size() &&
                  (series.y_error.empty() || series.y_error.size() == series.y.size()),
              "plot series ", series.title, " has x, y and y_error of different lengths");
  const auto fits = [](double v, bool log) { return std::isfinite(v) && (!log || v > 0); };
  std::vector<Point> points;
  for (size_t i = 0; i < series.x.size(); ++i) {
    const auto x = series.x[i], y = series.y[i];
    if (!fits(x, plot.log_x) || !fits(y, plot.log_y)) continue;
    const auto given = series.y_error.empty() ? 0 : std::abs(series.y_error[i]);
    const auto error = std::isfinite(given) ? given : 0;
    points.push_back({x, y, y - error, y + error});
  }
  return points;
}

AxisRange x_range(const Plot& plot, const std::vector<std::vector<Point>>& points) {
  AxisRange range;
  for (const auto& series : points) {
    for (const auto& p : series) range.add(p.x);
  }
  return range.empty() ? range : range.padded(plot.log_x, 0.03);
}

AxisRange y_range(const Plot& plot, const std::vector<std::vector<Point>>& points) {
  double smallest = std::numeric_limits<double>::infinity();
  for (const auto& series : points) {
    for (const auto& p : series) smallest = std::min(smallest, p.y);
  }
  // On a logarithmic axis a bar may reach down to 0; it shows at most one decade below all points.
  const auto floor = plot.log_y ? smallest / 10 : -std::numeric_limits<double>::infinity();
  AxisRange range;
  bool stands_on_zero = false;
  for (size_t i = 0; i < points.size(); ++i) {
    for (const auto& p : points[i]) {
      range.add(p.high);
      range.add(std::max(p.low, floor));
    }
    stands_on_zero = stands_on_zero || (!plot.log_y && plot.series[i].fill == Fill::area);
  }
  if (stands_on_zero) range.add(0);
  auto padded = range.padded(plot.log_y, 0.06);
  if (stands_on_zero && range.low == 0) padded.low = 0;
  return padded;
}

std::string data_block(size_t index, const std::vector<Point>& points, double floor) {
  auto text = fmt::format("$d{} << EOD\n", index);
  for (const auto& p : points) {
    text += fmt::format("{} {} {} {}\n", number_text(p.x), number_text(p.y),
                        number_text(std::max(p.low, floor)), number_text(p.high));
  }
  return text + "EOD\n";
}

/// What is filled, below all lines; empty if nothing is.
std::string filling(size_t index, const PlotSeries& series, const std::string& colour,
                    double floor) {
  if (series.fill == Fill::none) return "";
  const auto between = series.fill == Fill::band
                           ? std::string("using 1:3:4 with filledcurves")
                           : fmt::format("using 1:2 with filledcurves y1={}", number_text(floor));
  return fmt::format("$d{} {} fillcolor rgb {} fillstyle transparent solid 0.22 noborder notitle",
                     index, between, colour);
}

std::string curve(size_t index, const PlotSeries& series, const std::string& colour,
                  size_t points) {
  const auto title =
      series.title.empty() ? "notitle" : "title " + gnuplot_literal(series.title) + " noenhanced";
  if (!series.y_error.empty() && series.fill != Fill::band) {
    return fmt::format(
        "$d{} using 1:2:3:4 with yerrorbars linecolor rgb {} linewidth 1.2 "
        "pointtype 7 pointsize 1.1 {}",
        index, colour, title);
  }
  // A line needs two points to be seen.
  return fmt::format("$d{} using 1:2 with {} linecolor rgb {} linewidth 1.8 dashtype {} {}", index,
                     points > 1 ? "lines" : "points pointtype 7", colour,
                     series.dashed ? "(12,7)" : "solid", title);
}

}  // namespace

std::string plot_script(const Plot& plot, PictureFormat format) {
  std::vector<std::vector<Point>> points;
  for (const auto& series : plot.series) points.push_back(drawable(series, plot));
  const auto x = x_range(plot, points);
  if (x.empty()) return "";
  const auto y = y_range(plot, points);

  auto script = gnuplot_style(format);
  if (!plot.title.empty()) {
    script += fmt::format("set title {} noenhanced font ',18'\n", gnuplot_literal(plot.title));
  }
  script += axis_script('x', plot.log_x, x, plot.x_label);
  script += axis_script('y', plot.log_y, y, plot.y_label);
  if (format == PictureFormat::svg) script += "unset key\n";
  const auto colours = series_colours(plot);
  std::vector<std::string> fillings, curves;
  for (size_t i = 0; i < points.size(); ++i) {
    if (points[i].empty()) continue;
    const auto& series = plot.series[i];
    const auto colour = gnuplot_literal(colours[i]);
    script += data_block(i, points[i], y.low);
    const auto filled = filling(i, series, colour, plot.log_y ? y.low : 0);
    if (!filled.empty()) fillings.push_back(filled);
    curves.push_back(curve(i, series, colour, points[i].size()));
  }
  curves.insert(curves.begin(), fillings.begin(), fillings.end());
  return script + fmt::format("plot {}\n", fmt::join(curves, ", "));
}

PlotResult write_plot(const std::string& path, const Plot& plot) {
  const auto script = plot_script(plot);
  if (script.empty()) return {false, "there is no point to draw"};
  try {
    write_file_atomically(path, run_gnuplot(script, PictureFormat::png));
    return {true, ""};
  } catch (const FileError& error) {
    return {false, error.what()};
  }
}

std::string draw_svg(const Plot& plot) {
  const auto script = plot_script(plot, PictureFormat::svg);
  return script.empty() ? "" : run_gnuplot(script, PictureFormat::svg);
}

std::vector<std::string> series_colours(const Plot& plot) {
  std::vector<std::string> colours;
  size_t next = 0;
  for (const auto& series : plot.series) {
    const bool own = !series.colour.empty();
    colours.push_back(own ? series.colour : kColours[next++ % kColours.size()]);
  }
  return colours;
}

std::string sequential_colour(double share) {
  constexpr std::array<std::array<double, 3>, 3> kStops = {
      {{0xa6, 0xc8, 0xe4}, {0x3b, 0x83, 0xbd}, {0x08, 0x30, 0x6b}}};
  const auto position = 2 * std::clamp(share, 0.0, 1.0);
  const auto stop = position < 1 ? size_t{0} : size_t{1};
  std::string colour = "#";
  for (size_t channel = 0; channel < 3; ++channel) {
    const auto from = kStops[stop][channel], to = kStops[stop + 1][channel];
    colour += fmt::format("{:02x}",
                          std::lround(from + (to - from) * (position - static_cast<double>(stop))));
  }
  return colour;
}

}  // namespace halcyon
