#pragma once

#include <string>
#include <vector>

#include "io/gnuplot.h"

namespace halcyon {

enum class Fill {
  none,
  band,  ///< between y - y_error and y + y_error, around the line
  area,  ///< from the line down to 0, or to the foot of a logarithmic axis
};

struct PlotSeries {
  std::string title;  ///< empty: not in the legend
  std::vector<double> x;
  std::vector<double> y;
  /// Empty: a line through the points.  Else, as long as y: points with bars y +- y_error, or a
  /// band.
  std::vector<double> y_error = {};
  bool dashed = false;
  Fill fill = Fill::none;
  std::string colour = "";  ///< "#rrggbb"; empty: the next of the palette
};

struct Plot {
  std::string title = "";
  std::string x_label = "";
  std::string y_label = "";
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

/// The plot as an SVG document for a page that brings the legend; empty if there is no point to
/// draw.  Documents share ids: embed them as images.
/// @throws FileError if gnuplot is not installed or fails
std::string draw_svg(const Plot& plot);

/// The colour "#rrggbb" of each series, its own or the palette's.
std::vector<std::string> series_colours(const Plot& plot);

/// The gnuplot script of both; empty if there is no point to draw.
std::string plot_script(const Plot& plot, PictureFormat format = PictureFormat::png);

/// The colour at `share`, from 0 to 1, of a scale from light to dark blue: for series in an order.
std::string sequential_colour(double share);

}  // namespace halcyon
