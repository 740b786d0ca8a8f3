#pragma once

#include <string>
#include <vector>

#include "io/gnuplot.h"

namespace halcyon {

/// The values seen at one x: value[i] at y[i], y increasing.
struct HeatColumn {
  double x;
  std::vector<double> y;
  std::vector<double> value;
};

/// Deviations as coloured cells: blue below 0, white at 0, red above.  Cells reach half-way to
/// their neighbours, on a logarithmic axis in ln y; those that are not finite stay grey.
struct HeatMap {
  std::string x_label;
  std::string y_label;
  std::string colour_label;
  bool log_y = false;
  double limit = 1;  ///< colours run from -limit to limit; beyond, cells have the last colour
  std::vector<HeatColumn> columns = {};  ///< by rising x
};

/// The map as an SVG document; empty if there is no cell to draw.
/// @throws FileError if gnuplot is not installed or fails
std::string draw_svg(const HeatMap& map);

/// The gnuplot script of it; empty if there is no cell to draw.
std::string heat_map_script(const HeatMap& map, PictureFormat format);

}  // namespace halcyon
