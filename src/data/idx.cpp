#include "data/idx.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <map>

#include "core/error.h"
#include "core/torch.h"
#include "data/idx_file.h"

namespace halcyon {
namespace {

namespace fs = std::filesystem;

/// By content, or by name, so that a damaged file is not passed over.
bool is_idx_file(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return false;
  const auto name = path.filename().string();
  return name.find("-ubyte") != std::string::npos || begins_like_idx(path.string());
}

std::string without_gz(const std::string& name) {
  const bool gz = name.size() > 3 && name.compare(name.size() - 3, 3, ".gz") == 0;
  return gz ? name.substr(0, name.size() - 3) : name;
}

/// Paths by name without ".gz"; of x and x.gz, the plain one.
std::map<std::string, std::string> idx_files(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!is_idx_file(entry.path())) continue;
    const auto name = entry.path().filename().string();
    const auto stem = without_gz(name);
    if (name == stem || files.count(stem) == 0) files[stem] = entry.path().string();
  }
  return files;
}

struct Part {
  std::string images;
  std::string labels;  // either is empty if there is none
};

Part find_part(const std::string& folder, bool test) {
  Part part;
  for (const auto& [name, path] : idx_files(folder)) {
    const bool is_test =
        name.find("t10k") != std::string::npos || name.find("test") != std::string::npos;
    if (is_test != test) continue;
    const bool is_labels = idx_rank(path) == 1;
    auto& slot = is_labels ? part.labels : part.images;
    if (!slot.empty()) {
      throw DataError(
          fmt::format("data.path = '{}': found {} and {}; wanted one file of {}, or "
                      "data.path to name one",
                      folder, slot, path, is_labels ? "labels" : "images"));
    }
    slot = path;
  }
  return part;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

/// The part that one images file makes, with the labels beside it if there are any.
Part part_of_file(const fs::path& path) {
  const auto images = without_gz(path.filename().string());
  auto labels = replaced(images, "images", "labels");
  labels = replaced(replaced(labels, "idx3", "idx1"), "idx4", "idx1");
  Part part{path.string(), ""};
  for (const auto* suffix : {"", ".gz"}) {
    const auto candidate = path.parent_path() / (labels + suffix);
    if (part.labels.empty() && labels != images && fs::exists(candidate)) {
      part.labels = candidate.string();
    }
  }
  return part;
}

torch::Tensor read_images(const std::string& path) {
  const auto array = read_idx(path);
  const auto images = array.dim() == 3 ? array.unsqueeze(1) : array;
  const bool channels = images.dim() == 4 && (images.size(1) == 1 || images.size(1) == 3);
  if (channels && images.size(2) > 0 && images.size(3) > 0) return images;
  throw DataError(fmt::format("{}: found [{}]; wanted images [N, H, W] or [N, C, H, W], C = 1 or 3",
                              path, fmt::join(array.sizes(), ", ")));
}

ImageSet load_part(const Part& part, const DataOptions& options) {
  ImageSet set;
  set.images = read_images(part.images);
  if (!options.labels) return set;
  if (part.labels.empty()) {
    throw DataError(
        fmt::format("data.path = '{}': found no labels beside {}; wanted an IDX file "
                    "of rank 1, or data.labels = false",
                    options.path, part.images));
  }
  set.labels = read_idx(part.labels).to(torch::kInt64);
  if (set.labels.dim() != 1 || set.labels.size(0) != set.images.size(0)) {
    throw DataError(fmt::format("{}: found [{}] labels; wanted [{}], one for each image of {}",
                                part.labels, fmt::join(set.labels.sizes(), ", "),
                                set.images.size(0), part.images));
  }
  return set;
}

ImageSet joined(const ImageSet& a, const ImageSet& b, const std::string& path) {
  if (a.images.sizes().slice(1) != b.images.sizes().slice(1)) {
    throw DataError(
        fmt::format("data.path = '{}': found training images [{}] and test images "
                    "[{}]; wanted one shape for data.split = all",
                    path, fmt::join(a.images.sizes(), ", "), fmt::join(b.images.sizes(), ", ")));
  }
  ImageSet set;
  set.images = torch::cat({a.images, b.images});
  if (a.labels.defined()) set.labels = torch::cat({a.labels, b.labels});
  return set;
}

DataError no_part(const DataOptions& options, const char* part, const char* other) {
  return DataError(
      fmt::format("data.path = '{}': found no {} images in it; wanted {} or another "
                  "data.split",
                  options.path, part, other));
}

}  // namespace

bool is_idx(const std::string& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return is_idx_file(path);
  for (const auto& entry : fs::directory_iterator(path, error)) {
    if (is_idx_file(entry.path())) return true;
  }
  return false;
}

ImageSet load_idx(const DataOptions& options) {
  const bool folder = fs::is_directory(options.path);
  const auto train = folder ? find_part(options.path, /*test=*/false) : part_of_file(options.path);
  const auto test = folder ? find_part(options.path, /*test=*/true) : Part{};
  if (options.split == DataSplit::test && test.images.empty()) {
    throw no_part(options, "test", folder ? "a file like t10k-images-idx3-ubyte" : "a folder");
  }
  if (options.split == DataSplit::train && train.images.empty()) {
    throw no_part(options, "training", "a file like train-images-idx3-ubyte");
  }
  if (options.split == DataSplit::train || test.images.empty()) return load_part(train, options);
  if (options.split == DataSplit::test || train.images.empty()) return load_part(test, options);
  return joined(load_part(train, options), load_part(test, options), options.path);
}

}  // namespace halcyon
