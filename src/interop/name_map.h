#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/tensor_map.h"

namespace halcyon {

/// Which tensors of a file go where.
struct NameMap {
  /// Our name -> the names that a file may have for it; the first that it has counts.
  std::map<std::string, std::vector<std::string>> names;
  std::vector<std::string> left_out;  ///< names in the file that are not wanted
};

/// A map from text, one tensor a line: its name in the file and ours, by a comma or spaces, or "-"
/// to leave it out.  After # comes a comment.  What no line names has our name in the file.
/// @throws CheckpointError naming `origin`, the line, what was found and wanted
NameMap read_name_map(const std::string& text, const std::string& origin, const TensorMap& own);

/// Where each tensor of `own` is in `found`: our name -> the name there.  Shapes may differ as
/// ForeignWeights::fill() says.
/// @throws CheckpointError that lists what is missing, left over or misshapen
std::map<std::string, std::string> match_names(const TensorMap& own, const TensorMap& found,
                                               const NameMap& map);

}  // namespace halcyon
