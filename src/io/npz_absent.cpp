// What stands for NumPy's archives where LibArchive was not found.
#include "core/error.h"
#include "io/npz.h"

namespace halcyon {

static DataError unsupported(const std::string& path) {
  return DataError("'" + path + "': this build has no .npz archives; it wants LibArchive");
}

void write_npz(const std::string& path, const TensorMap&) { throw unsupported(path); }
TensorMap read_npz(const std::string& path) { throw unsupported(path); }

}  // namespace halcyon
