#pragma once

#include <optional>
#include <string>

#include "metrics/frechet.h"

namespace halcyon {

/// Statistics of a reference set's features as a file: an .npz with `mu` [F] and `sigma` [F, F], as
/// pytorch-fid writes and reads it, and beside them, if we wrote it, `count`, `about`, the text (as
/// UTF-8 bytes) that tells data, split and feature map, and `features` [N, F] if they were to be
/// kept.
struct ReferenceFile {
  FrechetSet set;
  std::string about;  ///< empty for a file of another program
};

/// @throws DataError naming the file, what was found and what was wanted.
ReferenceFile read_reference(const std::string& path);

/// Writes it atomically; set.features are kept if they are there.  @throws FileError
void write_reference(const std::string& path, const ReferenceFile& file);

}  // namespace halcyon
