#pragma once

#include <functional>
#include <string>
#include <vector>

#include "data/data_options.h"
#include "data/image_set.h"

namespace halcyon {

// What a set that is made of image files, in a folder or an archive, has in common.

inline constexpr const char* kWantedImages = "wanted .png, .jpg, .jpeg, .bmp, .webp, .tif or .tiff";

/// Whether a file's extension is one of these.
bool named_like_image(const std::string& name);

using FileBytes = std::function<std::vector<unsigned char>()>;

/// Calls take(index, bytes) for each of the files first .. first + count - 1, in any order and from
/// several threads; bytes() may throw DataError with the reason why a file cannot be read.
using ReadFiles =
    std::function<void(size_t first, size_t count,
                       const std::function<void(size_t index, const FileBytes& bytes)>& take)>;

/// The images in the files `names`, in that order, by the rules of data.* for channels, size,
/// background, labels (the folder that a name begins with), strict and limit.
/// @throws DataError naming options.path
ImageSet read_image_files(const std::vector<std::string>& names, const DataOptions& options,
                          const ReadFiles& read);

}  // namespace halcyon
