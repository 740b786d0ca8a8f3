#include "io/heat_map.h"

#include <fmt/format.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>

#include "io/plot_axis.h"
#include "io/table.h"

namespace halcyon {
namespace {

/// The count + 1 borders of cells around `centres`, which increase.
std::vector<double> borders(std::vector<double> centres, bool log) {
  const auto middle = [&](double a, double b) { return log ? std::sqrt(a * b) : (a + b) / 2; };
  const auto mirrored = [&](double a, double at) { return log ? at * at / a : 2 * at - a; };
  if (centres.size() == 1)
    centres.push_back(log ? 2 * centres[0] : centres[0] + 1);
  else
    centres.push_back(mirrored(centres[centres.size() - 2], centres.back()));
  centres.insert(centres.begin(), mirrored(centres[1], centres[0]));
  std::vector<double> edges;
  for (size_t i = 0; i + 1 < centres.size(); ++i) {
    edges.push_back(middle(centres[i], centres[i + 1]));
  }
  return edges;
}

struct Cells {
  AxisRange x, y;
  std::string lines;  ///< x y x_low x_high y_low y_high value
};

Cells cells_of(const HeatMap& map) {
  Cells cells;
  std::vector<double> positions;
  for (const auto& column : map.columns) positions.push_back(column.x);
  const auto x = positions.empty() ? positions : borders(positions, /*log=*/false);
  for (size_t i = 0; i < map.columns.size(); ++i) {
    const auto& column = map.columns[i];
    TORCH_CHECK(column.y.size() == column.value.size(), "heat map column ", column.x, " has ",
                column.y.size(), " y and ", column.value.size(), " values");
    if (column.y.empty()) continue;
    const auto y = borders(column.y, map.log_y);
    for (const auto edge : {x[i], x[i + 1]}) cells.x.add(edge);
    for (const auto edge : {y.front(), y.back()}) cells.y.add(edge);
    for (size_t k = 0; k < column.y.size(); ++k) {
      if (!std::isfinite(column.value[k])) continue;
      const auto shown = std::clamp(column.value[k], -map.limit, map.limit);
      cells.lines += fmt::format("{} {} {} {} {} {} {}\n", column.x, column.y[k], x[i], x[i + 1],
                                 y[k], y[k + 1], shown);
    }
  }
  return cells;
}

}  // namespace

std::string heat_map_script(const HeatMap& map, PictureFormat format) {
  const auto cells = cells_of(map);
  if (cells.lines.empty()) return "";
  const auto limit = number_text(map.limit);
  return gnuplot_style(format) + axis_script('x', /*log=*/false, cells.x, map.x_label) +
         axis_script('y', map.log_y, cells.y, map.y_label) +
         fmt::format(
             "set palette defined (-4 '#053061', -3 '#2166ac', -2 '#67a9cf', -1 '#d1e5f0', "
             "0 '#ffffff', 1 '#fddbc7', 2 '#ef8a62', 3 '#b2182b', 4 '#67001f')\n"
             "set cbrange [-{}:{}]\nset cblabel {} noenhanced\n"
             "set colorbox user origin graph 1.03, graph 0 size graph 0.03, graph 1 noborder\n"
             "set rmargin 15\nset bmargin 4\nunset grid\nset style fill solid 1 noborder\n"
             "set object 1 rectangle from graph 0, graph 0 to graph 1, graph 1 behind "
             "fillcolor rgb '#dddddd' fillstyle solid noborder\n",
             limit, limit, gnuplot_literal(map.colour_label)) +
         "$cells << EOD\n" + cells.lines +
         "EOD\nplot $cells using 1:2:3:4:5:6:7 with boxxyerror linecolor palette notitle\n";
}

std::string draw_svg(const HeatMap& map) {
  const auto script = heat_map_script(map, PictureFormat::svg);
  return script.empty() ? "" : run_gnuplot(script, PictureFormat::svg);
}

}  // namespace halcyon
