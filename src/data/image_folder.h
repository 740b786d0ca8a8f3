#pragma once

#include <string>

#include "data/data_options.h"
#include "data/image_set.h"

namespace halcyon {

/// True for any folder, and for a file that begins like an image or is named as one.
bool is_image_folder(const std::string& path);

/// Every PNG, JPEG, BMP, WebP and TIFF file in the folder options.path and below it, in byte
/// order of their relative paths; or the one file that options.path names.  Other and hidden
/// files are passed over; links are followed, but each folder is read once.  A file that cannot
/// be read is named in a warning, or thrown under options.strict.  With options.labels the
/// folders directly below options.path are the classes, numbered in byte order.
/// docs/data_formats.md says what becomes of alpha, palettes, 16 bits and odd sizes.
ImageSet load_image_folder(const DataOptions& options);

}  // namespace halcyon
