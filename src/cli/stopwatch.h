#pragma once

#include <torch/types.h>

#include <functional>
#include <vector>

namespace halcyon {

/// What repeated runs of one piece of work took.
struct Timing {
  double seconds = 0;      ///< median of a run
  double spread = 0;       ///< median absolute deviation from it, as a share of it
  double page_faults = 0;  ///< minor page faults of a run, median
  int64_t samples = 0;     ///< measurements of which these are the medians
};

struct StopwatchOptions {
  int64_t repeats = 7;
  torch::Device device = torch::kCPU;          ///< whose work is waited for
  std::function<void()> after_sample = [] {};  ///< as for a live line
};

/// Runs every work once to warm up, then measures them in turn, `repeats` rounds, so that what else
/// the machine does falls on all alike.  Work of less than 50 ms is repeated within a measurement.
std::vector<Timing> time_in_turn(const std::vector<std::function<void()>>& works,
                                 const StopwatchOptions& options);

}  // namespace halcyon
