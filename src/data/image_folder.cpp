#include "data/image_folder.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "core/error.h"
#include "data/image_decoding.h"
#include "data/image_files.h"
#include "data/index_loop.h"

namespace halcyon {
namespace {

namespace fs = std::filesystem;

/// At most `most` bytes from the start of a file.
std::vector<unsigned char> read_bytes(const fs::path& path, uintmax_t most = UINTMAX_MAX) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  std::ifstream in(path, std::ios::binary);
  if (error || !in) throw DataError("cannot be opened");
  std::vector<unsigned char> bytes(std::min(size, most));
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<size_t>(in.gcount()));
  return bytes;
}

/// The image files of a folder, as paths relative to it.
class Listing {
 public:
  explicit Listing(const fs::path& path) : root(path) {
    if (fs::is_directory(path)) {
      add_folder(path, "");
      std::sort(names.begin(), names.end());
    } else {
      root = path.parent_path();
      names = {path.filename().string()};
    }
  }

  fs::path root;
  std::vector<std::string> names;
  int64_t skipped = 0;

 private:
  void add_folder(const fs::path& folder, const std::string& prefix) {
    if (!visited_.insert(fs::canonical(folder)).second) return;
    std::vector<fs::path> entries;
    for (const auto& entry : fs::directory_iterator(folder)) entries.push_back(entry.path());
    std::sort(entries.begin(), entries.end());  // so that which of two links counts is fixed
    const bool drawn = fs::exists(folder / "samples.json");
    for (const auto& entry : entries) {
      if (drawn && shows_samples(entry)) {
        ++skipped;
      } else {
        add(entry, prefix);
      }
    }
  }

  /// The pictures that `halcyon sample` puts beside its images.
  static bool shows_samples(const fs::path& entry) {
    return entry.filename() == "grid.png" || entry.filename() == "trajectory.png";
  }

  void add(const fs::path& entry, const std::string& prefix) {
    const auto name = entry.filename().string();
    std::error_code broken_link;
    const auto type = fs::status(entry, broken_link).type();
    const bool file = type == fs::file_type::regular || broken_link;
    if (name[0] == '.') {
      ++skipped;
    } else if (type == fs::file_type::directory) {
      add_folder(entry, prefix + name + "/");
    } else if (file && named_like_image(entry.string())) {
      names.push_back(prefix + name);
    } else {
      ++skipped;
    }
  }

  std::set<fs::path> visited_;
};

Listing listed(const DataOptions& options) try {
  Listing listing(options.path);
  if (!listing.names.empty()) return listing;
  throw DataError(
      fmt::format("data.path = '{}': found no image file in the folder ({} other or "
                  "hidden files); {}, or IDX or CIFAR-10 files",
                  options.path, listing.skipped, kWantedImages));
} catch (const fs::filesystem_error& e) {
  throw DataError(
      fmt::format("data.path = '{}': {}; wanted a readable folder", options.path, e.what()));
}

}  // namespace

bool is_image_folder(const std::string& path) {
  std::error_code error;
  if (fs::is_directory(path, error)) return true;
  if (!fs::is_regular_file(path, error)) return false;
  return named_like_image(path) || begins_like_image(read_bytes(path, /*most=*/16));
}

ImageSet load_image_folder(const DataOptions& options) {
  if (options.split == DataSplit::test) {
    throw DataError(
        fmt::format("data.path = '{}': found an image folder, which has no test part; "
                    "wanted data.split = train or all",
                    options.path));
  }
  const auto listing = listed(options);
  return read_image_files(
      listing.names, options, [&](size_t first, size_t count, const auto& take) {
        for_each_index(static_cast<int64_t>(count), [&](int64_t i) {
          const auto index = first + static_cast<size_t>(i);
          take(index, [&] { return read_bytes(listing.root / listing.names[index]); });
        });
      });
}

}  // namespace halcyon
