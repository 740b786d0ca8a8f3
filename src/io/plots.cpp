#include "io/plots.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <torch/types.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/error.h"
#include "io/atomic_file.h"
#include "io/table.h"

namespace halcyon {
namespace {

// Okabe and Ito's colours, which the colour-blind tell apart.
constexpr std::array kColours = {"#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                 "#E69F00", "#56B4E9", "#000000"};

constexpr const char* kStyle =
    R"(set terminal pngcairo size 1200,800 enhanced font 'DejaVu Sans,15' linewidth 1.5 background '#ffffff'
set encoding utf8
set border 3 linecolor '#444444' linewidth 0.8
set tics nomirror out scale 0.6,0.3 textcolor '#222222'
set grid xtics ytics linetype 1 linecolor '#dddddd' linewidth 0.6
set key bmargin center horizontal reverse Left noenhanced textcolor '#222222' samplen 3 width 2 height 1
set bars 0.6
set lmargin 11
set rmargin 4
)";

struct Point {
  double x, y, low, high;
};

/// In single quotes gnuplot sees no commands, macros or escapes.  It does not read a doubled quote
/// back in every place, so a quote becomes an apostrophe.
std::string literal(const std::string& text) {
  std::string result = "'";
  for (const char c : text) {
    const bool control = static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    result += c == '\'' ? "\u2019" : std::string(1, control ? ' ' : c);
  }
  return result + "'";
}

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

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }

  Range padded(bool log, double share) const {
    const auto from = log ? std::log10(low) : low, to = log ? std::log10(high) : high;
    const auto spread = to - from;
    const auto pad = spread > 0 ? share * spread : log ? 0.5 : std::max(std::abs(from), 1.0) * 0.1;
    return log ? Range{std::pow(10, from - pad), std::pow(10, to + pad)}
               : Range{from - pad, to + pad};
  }
};

std::string log_ticks(char name, const Range& range, double decades) {
  const bool plain = range.low >= 1e-4 && range.high <= 1e5;
  auto text =
      fmt::format("set m{}tics 10\nset format {} '{}'\n", name, name, plain ? "%g" : "10^{%T}");
  if (!plain || decades > 3) return text;
  const auto digits = decades > 1 ? std::vector{1, 2, 5} : std::vector{1, 2, 3, 4, 5, 6, 7, 8, 9};
  std::vector<std::string> ticks;
  for (auto power = std::floor(std::log10(range.low)); power <= std::log10(range.high); ++power) {
    for (const auto digit : digits) ticks.push_back(number_text(digit * std::pow(10, power)));
  }
  return text + fmt::format("set {}tics ({})\n", name, fmt::join(ticks, ", "));
}

std::string axis(char name, bool log, const Range& range, const std::string& label) {
  auto text = fmt::format("set {}label {} noenhanced\nset {}range [{}:{}]\n", name, literal(label),
                          name, number_text(range.low), number_text(range.high));
  const auto decades = log ? std::log10(range.high / range.low) : 0;
  // Over less than half a decade the scales hardly differ, and the linear one has more ticks.
  if (decades < 0.5) return text;
  return text + fmt::format("set logscale {}\n", name) + log_ticks(name, range, decades);
}

std::string data_block(size_t index, const std::vector<Point>& points, double floor) {
  auto text = fmt::format("$d{} << EOD\n", index);
  for (const auto& p : points) {
    text += fmt::format("{} {} {} {}\n", number_text(p.x), number_text(p.y),
                        number_text(std::max(p.low, floor)), number_text(p.high));
  }
  return text + "EOD\n";
}

std::string curve(size_t index, const PlotSeries& series, size_t points) {
  const auto* colour = kColours[index % kColours.size()];
  const auto title = literal(series.title) + " noenhanced";
  if (!series.y_error.empty()) {
    return fmt::format(
        "$d{} using 1:2:3:4 with yerrorbars linecolor rgb '{}' linewidth 1.2 "
        "pointtype 7 pointsize 1.1 title {}",
        index, colour, title);
  }
  // A line needs two points to be seen.
  return fmt::format("$d{} using 1:2 with {} linecolor rgb '{}' linewidth 1.8 dashtype {} title {}",
                     index, points > 1 ? "lines" : "points pointtype 7", colour,
                     series.dashed ? "(12,7)" : "solid", title);
}

/// A file in memory, to lend to a child process.
FileDescriptor memory_file(const char* name) {
  FileDescriptor file(::memfd_create(name, MFD_CLOEXEC));
  if (file.get() < 0) throw FileError(fmt::format("no memory file: {}", std::strerror(errno)));
  return file;
}

std::string contents(const FileDescriptor& file) {
  const auto size = ::lseek(file.get(), 0, SEEK_END);
  std::string bytes(static_cast<size_t>(std::max<off_t>(size, 0)), '\0');
  const auto count = ::pread(file.get(), bytes.data(), bytes.size(), 0);
  bytes.resize(static_cast<size_t>(std::max<ssize_t>(count, 0)));
  return bytes;
}

/// Runs gnuplot on a script and returns the PNG that it prints.  It is told no path, and there is
/// no shell.
std::string run_gnuplot(const std::string& script) {
  const auto in = memory_file("script"), out = memory_file("png"), log = memory_file("log");
  write_fully(in, script, "the gnuplot script");
  ::lseek(in.get(), 0, SEEK_SET);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, log.get(), STDERR_FILENO);
  std::string program = "gnuplot", defaults = "--default-settings";
  char* arguments[] = {program.data(), defaults.data(), nullptr};
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, "gnuplot", &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error == ENOENT) throw FileError("gnuplot is not installed");
  if (error != 0) throw FileError(fmt::format("gnuplot does not start: {}", std::strerror(error)));

  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  auto png = contents(out);
  if (status != 0 || png.rfind("\x89PNG", 0) != 0) {
    throw FileError(fmt::format("gnuplot failed: {}", contents(log)));
  }
  return png;
}

}  // namespace

std::string plot_script(const Plot& plot) {
  std::vector<std::vector<Point>> points;
  Range x, y;
  double smallest = std::numeric_limits<double>::infinity();
  for (const auto& series : plot.series) {
    for (const auto& p : points.emplace_back(drawable(series, plot))) {
      x.add(p.x);
      y.add(p.high);
      smallest = std::min(smallest, p.y);
      if (!plot.log_y) y.add(p.low);
    }
  }
  if (x.low > x.high) return "";
  // On a logarithmic axis a bar may reach down to 0; it shows at most one decade below all points.
  if (plot.log_y) {
    y.add(smallest);
    for (const auto& series : points) {
      for (const auto& p : series) y.add(std::max(p.low, smallest / 10));
    }
  }
  const auto y_range = y.padded(plot.log_y, 0.06);

  std::string script = kStyle;
  script += fmt::format("set title {} noenhanced font ',18'\n", literal(plot.title));
  script += axis('x', plot.log_x, x.padded(plot.log_x, 0.03), plot.x_label);
  script += axis('y', plot.log_y, y_range, plot.y_label);
  std::vector<std::string> curves;
  for (size_t i = 0; i < points.size(); ++i) {
    if (points[i].empty()) continue;
    script += data_block(i, points[i], y_range.low);
    curves.push_back(curve(i, plot.series[i], points[i].size()));
  }
  return script + fmt::format("plot {}\n", fmt::join(curves, ", "));
}

PlotResult write_plot(const std::string& path, const Plot& plot) {
  const auto script = plot_script(plot);
  if (script.empty()) return {false, "there is no point to draw"};
  try {
    write_file_atomically(path, run_gnuplot(script));
    return {true, ""};
  } catch (const FileError& error) {
    return {false, error.what()};
  }
}

}  // namespace halcyon
