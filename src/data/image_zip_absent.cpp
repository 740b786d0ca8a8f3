// What stands for the reader of zip archives where LibArchive was not found.
#include "core/error.h"
#include "data/image_zip.h"

namespace halcyon {

bool is_image_zip(const std::string& path) { return path.ends_with(".zip"); }

ImageSet load_image_zip(const DataOptions& options) {
  throw DataError("'" + options.path +
                  "': this build reads no zip archives; want it unpacked, as a folder");
}

}  // namespace halcyon
