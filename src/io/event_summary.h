#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "io/proto_message.h"

namespace halcyon {

// The values of an EventFile: messages Summary.Value of tensorboard/compat/proto/summary.proto,
// and of the plugins "text" and "hparams" (tensorboard/plugins/hparams/plugin_data.proto).  Values
// of one tag over steps are one curve, slider or history; '/' in a tag makes groups.

/// A number, kept as float32.
ProtoMessage scalar_summary(const std::string& tag, double value);

/// A picture by the bytes of its PNG file, which it must be.
ProtoMessage image_summary(const std::string& tag, const std::string& png);

/// How values are distributed: counts[i] of them up to limits[i], above the limit before.
struct EventHistogram {
  double min = 0;
  double max = 0;
  double count = 0;
  double sum = 0;
  double sum_squares = 0;
  std::vector<double> limits = {};
  std::vector<double> counts = {};
};
ProtoMessage histogram_summary(const std::string& tag, const EventHistogram& histogram);

/// A text, shown as Markdown.
ProtoMessage text_summary(const std::string& tag, const std::string& markdown);

using Hyperparameter = std::pair<std::string, std::variant<bool, double, std::string>>;

/// The columns of the table of runs: hyperparameters, and tags of scalars that tell how good a run
/// is.
ProtoMessage hparams_columns(const std::vector<Hyperparameter>& hyperparameters,
                             const std::vector<std::string>& metric_tags);
/// The row of this run; time in seconds since 1970.
ProtoMessage hparams_start(const std::vector<Hyperparameter>& hyperparameters, double time);
/// That the run reached its end.
ProtoMessage hparams_end(double time);

}  // namespace halcyon
