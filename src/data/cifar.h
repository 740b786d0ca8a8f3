#pragma once

#include <string>

#include "data/data_options.h"
#include "data/image_set.h"

namespace halcyon {

/// True for a CIFAR-10 batch in the binary version, and for a folder that holds one.
bool is_cifar(const std::string& path);

/// CIFAR-10, binary version: records of a label byte (0 to 9) and 3072 bytes, the 32 x 32 planes
/// R, G and B.  In a folder the files with "test" in their names are the test part; a file that
/// options.path names is all there is.
ImageSet load_cifar(const DataOptions& options);

}  // namespace halcyon
