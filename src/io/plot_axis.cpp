#include "io/plot_axis.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "io/gnuplot.h"
#include "io/table.h"

namespace halcyon {
namespace {

std::string log_ticks(char name, const AxisRange& range, double decades) {
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

}  // namespace

void AxisRange::add(double value) {
  low = std::min(low, value);
  high = std::max(high, value);
}

AxisRange AxisRange::padded(bool log, double share) const {
  const auto from = log ? std::log10(low) : low, to = log ? std::log10(high) : high;
  const auto spread = to - from;
  const auto pad = spread > 0 ? share * spread : log ? 0.5 : std::max(std::abs(from), 1.0) * 0.1;
  return log ? AxisRange{std::pow(10, from - pad), std::pow(10, to + pad)}
             : AxisRange{from - pad, to + pad};
}

std::string axis_script(char name, bool log, const AxisRange& range, const std::string& label) {
  auto text =
      fmt::format("set {}label {} noenhanced\nset {}range [{}:{}]\n", name, gnuplot_literal(label),
                  name, number_text(range.low), number_text(range.high));
  const auto decades = log ? std::log10(range.high / range.low) : 0;
  // Over less than half a decade the scales hardly differ, and the linear one has more ticks.
  if (decades < 0.5) return text;
  return text + fmt::format("set logscale {}\n", name) + log_ticks(name, range, decades);
}

}  // namespace halcyon
