#pragma once

#include <string>

#include "data/data_options.h"
#include "data/image_set.h"

namespace halcyon {

/// True for an IDX file, gzip or plain, and for a folder that holds one.
bool is_idx(const std::string& path);

/// IDX images [N, H, W] or [N, C, H, W], C = 1 or 3, of unsigned bytes, as of MNIST.  In a
/// folder, the files with "t10k" or "test" in their names are the test part, the others the
/// training part, and their rank says what is images and what labels.  Where options.path is one
/// images file it is all there is, and its labels are the file of the same name with "images"
/// replaced by "labels".
ImageSet load_idx(const DataOptions& options);

}  // namespace halcyon
