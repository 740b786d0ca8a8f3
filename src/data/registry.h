#pragma once

#include <string>
#include <vector>

#include "data/data_options.h"
#include "data/image_set.h"

namespace halcyon {

/// A kind of data set.  `load` reads options.path, split, labels and what is its own; limit,
/// channels and size are applied to what it returns.
struct DataFormat {
  const char* name;
  const char* summary;
  bool (*recognises)(const std::string& path);  // by content; false for a path that is not there
  ImageSet (*load)(const DataOptions& options);
};

/// All formats; a path belongs to the first that recognises it.
const std::vector<DataFormat>& data_format_registry();

/// Loads the set at options.path: at least one image, of the channels and size asked for.
/// @throws ConfigError for an option out of range, DataError for a path that is missing, not
/// recognised, damaged, or without the split or labels asked for.
ImageSet load_image_set(const DataOptions& options);

}  // namespace halcyon
