#pragma once

#include <string>
#include <vector>

namespace halcyon {

struct PlotSeries {
  std::string title;
  std::vector<double> x;
  std::vector<double> y;
  /// Empty: a line through the points.  Else, as long as y: points with bars y +- y_error.
  std::vector<double> y_error = {};
  bool dashed = false;
};

struct Plot {
  std::string title;
  std::string x_label;
  std::string y_label;
  bool log_x = false;
  bool log_y = false;
  std::vector<PlotSeries> series = {};
};

struct PlotResult {
  bool written;
  std::string reason;  // why not
};

/// Draws the plot into `path`, a PNG of 1200 x 800 pixels, with the program gnuplot.  Points that
/// are not finite, or not positive on a logarithmic axis, are left out; error bars end at the edge.
/// Texts are UTF-8 and are drawn as they are, but for ' which becomes an apostrophe.  A run is
/// worth more than its pictures: without gnuplot, points or room on the disk, this returns the
/// reason and throws nothing.
PlotResult write_plot(const std::string& path, const Plot& plot);

/// The gnuplot script that write_plot() runs; empty if there is no point to draw.
std::string plot_script(const Plot& plot);

}  // namespace halcyon
