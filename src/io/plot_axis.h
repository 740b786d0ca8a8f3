#pragma once

#include <limits>
#include <string>

namespace halcyon {

/// The values that an axis shows.
struct AxisRange {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void add(double value);
  bool empty() const { return low > high; }
  /// With `share` of its length (of its decades, if logarithmic) added at either end; a range of
  /// one value becomes one around it.
  AxisRange padded(bool log, double share) const;
};

/// The gnuplot lines for axis `name`, 'x' or 'y': label, range, and the scale with its ticks.
std::string axis_script(char name, bool log, const AxisRange& range, const std::string& label);

}  // namespace halcyon
