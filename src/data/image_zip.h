#pragma once

#include <string>

#include "data/data_options.h"
#include "data/image_set.h"

namespace halcyon {

/// True for a file that begins as a zip archive does.
bool is_image_zip(const std::string& path);

/// Every image in a zip archive, stored or deflated, as if it were unpacked into a folder: see
/// load_image_folder().  Nothing is unpacked to the disk.  A file of more than 2^30 bytes is not
/// read, whatever its header says of its size; of two files of one name the archive is refused.
ImageSet load_image_zip(const DataOptions& options);

}  // namespace halcyon
