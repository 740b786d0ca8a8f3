#include "io/plots.h"

#include <cmath>
#include <cstdlib>

#include "core/error.h"
#include "io/heat_map.h"
#include "tests/io/io_test.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

bool gnuplot_is_installed() { return std::system("command -v gnuplot > /dev/null") == 0; }

size_t occurrences(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

Plot filled_plot(Fill fill) {
  return {.x_label = "x",
          .y_label = "y",
          .series = {{.title = "a", .x = {1, 2}, .y = {3, 5}, .y_error = {1, 2}, .fill = fill}}};
}

}  // namespace

TEST_CASE("a band reaches from y - error to y + error around a line", "[io][property]") {
  const auto script = plot_script(filled_plot(Fill::band));
  REQUIRE_THAT(script, Contains("$d0 << EOD\n1 3 2 4\n2 5 3 7\nEOD\n"));
  REQUIRE_THAT(script, Contains("using 1:3:4 with filledcurves") && Contains("with lines"));
  REQUIRE_THAT(script, !Contains("yerrorbars"));
}

TEST_CASE("an area stands on 0 and the axis shows it", "[io][property]") {
  auto plot = filled_plot(Fill::area);
  plot.series[0].y_error = {};
  const auto script = plot_script(plot);
  REQUIRE_THAT(script, Contains("set yrange [0:") && Contains("filledcurves y1=0"));
  plot.log_y = true;  // where there is no 0
  plot.series[0].y = {0.01, 10};
  REQUIRE_THAT(plot_script(plot), !Contains("y1=0 ") && Contains("filledcurves y1=0.00"));
}

TEST_CASE("series keep their own colour and the others take the palette's in turn",
          "[io][property]") {
  Plot plot;
  plot.series = {{.title = "a", .x = {1, 2}, .y = {1, 2}},
                 {.title = "b", .x = {1, 2}, .y = {1, 2}, .colour = "#123456"},
                 {.title = "c", .x = {1, 2}, .y = {1, 2}}};
  const auto colours = series_colours(plot);
  REQUIRE(colours[1] == "#123456");
  REQUIRE(colours[0] != colours[2]);
  REQUIRE_THAT(plot_script(plot), Contains("rgb '#123456'") && Contains("rgb '" + colours[2]));
  REQUIRE(sequential_colour(0) == "#a6c8e4");
  REQUIRE(sequential_colour(1) == "#08306b");
  REQUIRE(sequential_colour(0.5) == "#3b83bd");
}

TEST_CASE("an SVG plot is one document without scripts whose texts are escaped", "[io][error]") {
  if (!gnuplot_is_installed()) return;
  auto plot = filled_plot(Fill::band);
  plot.x_label = "</text><script>alert(1)</script> & 'σ'";
  plot.series[0].title = plot.x_label;
  const auto svg = draw_svg(plot);
  REQUIRE(occurrences(svg, "<svg") == 1);
  REQUIRE(occurrences(svg, "</svg>") == 1);
  REQUIRE_THAT(svg, !Contains("<script") && Contains("&lt;script") && Contains("σ"));
  plot.series[0].y = {NAN, NAN};
  REQUIRE(draw_svg(plot).empty());
}

TEST_CASE("cells of a heat map fill the plane between their neighbours", "[io][property]") {
  HeatMap map{.x_label = "step", .y_label = "sigma", .colour_label = "c", .log_y = true};
  map.limit = 0.5;
  map.columns = {{10, {1, 4}, {0.25, -3}}, {20, {1, 4}, {NAN, 0}}, {40, {1, 4}, {9, 0}}};
  const auto script = heat_map_script(map, PictureFormat::svg);
  // x y x_low x_high y_low y_high value: half-way in x and in ln y; values end at the limit.
  REQUIRE_THAT(script, Contains("\n10 1 5 15 0.5 2 0.25\n"));
  REQUIRE_THAT(script, Contains("\n10 4 5 15 2 8 -0.5\n"));
  REQUIRE_THAT(script, !Contains("\n20 1 "));
  REQUIRE_THAT(script, Contains("\n20 4 15 30 2 8 0\n"));
  REQUIRE_THAT(script, Contains("\n40 1 30 50 0.5 2 0.5\n"));
  REQUIRE_THAT(script, Contains("cbrange [-0.5:0.5]"));
  map.columns = {{10, {1}, {NAN}}};
  REQUIRE(draw_svg(map).empty());
}

TEST_CASE("a heat map is drawn", "[io][roundtrip]") {
  if (!gnuplot_is_installed()) return;
  HeatMap map{.x_label = "step", .y_label = "sigma", .colour_label = "c", .log_y = true};
  map.columns = {{10, {0.1, 1, 10}, {1, 0, -1}}};  // a single column
  const auto svg = draw_svg(map);
  // The ends of the scale, as gnuplot writes colours.
  REQUIRE_THAT(svg, Contains("103,   0,  31") && Contains("5,  48,  97"));
}
