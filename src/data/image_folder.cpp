#include "data/image_folder.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "core/error.h"
#include "data/image_decoding.h"
#include "data/image_fitting.h"
#include "data/index_loop.h"

namespace halcyon {
namespace {

namespace fs = std::filesystem;

constexpr const char* kWanted = "wanted .png, .jpg, .jpeg, .bmp, .webp, .tif or .tiff";

bool named_like_image(const fs::path& path) {
  static const std::set<std::string> extensions = {".png",  ".jpg", ".jpeg", ".bmp",
                                                   ".webp", ".tif", ".tiff"};
  auto extension = path.extension().string();
  for (auto& c : extension) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return extensions.count(extension) > 0;
}

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
    for (const auto& entry : entries) add(entry, prefix);
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
    } else if (file && named_like_image(entry)) {
      names.push_back(prefix + name);
    } else {
      ++skipped;
    }
  }

  std::set<fs::path> visited_;
};

struct Reading {
  std::vector<std::string> names;  // of the images
  std::vector<torch::Tensor> images;
  std::vector<std::string> failures;  // "name (reason)"
  size_t tried = 0;
};

/// Reads files until options.limit of them were readable.
Reading read_images(const Listing& listing, const DataOptions& options) {
  Reading done;
  const size_t all = listing.names.size();
  const size_t wanted = options.limit > 0 ? std::min<size_t>(options.limit, all) : all;
  while (done.images.size() < wanted && done.tried < all) {
    const size_t count = std::min(wanted - done.images.size(), all - done.tried);
    std::vector<torch::Tensor> images(count);
    std::vector<std::string> reasons(count);
    for_each_index(static_cast<int64_t>(count), [&](int64_t i) {
      try {
        const auto bytes = read_bytes(listing.root / listing.names[done.tried + i]);
        images[i] =
            fit_image(decode_image(bytes, options.background), options.channels, options.size);
      } catch (const DataError& e) {
        reasons[i] = e.what();
      }
    });
    for (size_t i = 0; i < count; ++i) {
      const auto& name = listing.names[done.tried + i];
      if (images[i].defined()) {
        done.names.push_back(name);
        done.images.push_back(images[i]);
      } else {
        done.failures.push_back(fmt::format("{} ({})", name, reasons[i]));
      }
    }
    done.tried += count;
  }
  return done;
}

std::string failure_line(const Reading& reading) {
  constexpr size_t kNamed = 5;
  const size_t count = reading.failures.size();
  auto line = fmt::format("{} of {} files could not be read: {}", count, reading.tried,
                          reading.failures[0]);
  for (size_t i = 1; i < std::min(count, kNamed); ++i) line += ", " + reading.failures[i];
  if (count > kNamed) line += fmt::format(" and {} more", count - kNamed);
  return line;
}

/// Releases each image once it is copied.  C is 3 if any image has colour.
torch::Tensor stacked(Reading& reading, const std::string& path) {
  auto shape = reading.images[0].sizes().vec();
  for (size_t i = 1; i < reading.images.size(); ++i) {
    const auto& image = reading.images[i];
    if (image.size(1) != shape[1] || image.size(2) != shape[2]) {
      throw DataError(fmt::format(
          "data.path = '{}': found {} of {} x {} pixels but {} of {} x {}; wanted one size: set "
          "data.size to crop and resize them",
          path, reading.names[0], shape[2], shape[1], reading.names[i], image.size(2),
          image.size(1)));
    }
    shape[0] = std::max(shape[0], image.size(0));
  }
  shape.insert(shape.begin(), static_cast<int64_t>(reading.images.size()));
  const auto images = torch::empty(shape, torch::kUInt8);
  for (int64_t i = 0; i < shape[0]; ++i) {
    images[i].copy_(reading.images[i]);
    reading.images[i].reset();
  }
  return images;
}

std::string class_of(const std::string& name, const std::string& path) {
  const auto slash = name.find('/');
  if (slash != std::string::npos) return name.substr(0, slash);
  throw DataError(
      fmt::format("data.path = '{}': found {} in no sub-folder; wanted every image in "
                  "the sub-folder of its class, or data.labels = false",
                  path, name));
}

std::vector<std::string> class_names(const Listing& listing, const std::string& path) {
  std::set<std::string> classes;
  for (const auto& name : listing.names) classes.insert(class_of(name, path));
  return {classes.begin(), classes.end()};
}

torch::Tensor class_labels(const Reading& reading, const std::vector<std::string>& classes,
                           const std::string& path) {
  std::vector<int64_t> labels;
  for (const auto& name : reading.names) {
    const auto found = std::lower_bound(classes.begin(), classes.end(), class_of(name, path));
    labels.push_back(found - classes.begin());
  }
  return torch::tensor(labels, torch::kInt64);
}

Listing listed(const DataOptions& options) try {
  Listing listing(options.path);
  if (!listing.names.empty()) return listing;
  throw DataError(
      fmt::format("data.path = '{}': found no image file in the folder ({} other or "
                  "hidden files); {}, or IDX or CIFAR-10 files",
                  options.path, listing.skipped, kWanted));
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
  ImageSet set;
  if (options.labels) set.class_names = class_names(listing, options.path);

  auto reading = read_images(listing, options);
  if (!reading.failures.empty()) {
    const auto line = failure_line(reading);
    if (options.strict || reading.images.empty()) {
      throw DataError(
          fmt::format("data.path = '{}': {}; wanted readable images", options.path, line));
    }
    set.warnings.push_back(line);
  }
  if (options.labels) set.labels = class_labels(reading, set.class_names, options.path);
  set.images = stacked(reading, options.path);
  return set;
}

}  // namespace halcyon
