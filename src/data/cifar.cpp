#include "data/cifar.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "core/torch.h"

namespace halcyon {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kRecord = 1 + 3 * 32 * 32;
constexpr int kClasses = 10;

/// By content, or by name, so that a damaged batch is not passed over.
bool is_batch(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return false;
  const auto name = path.filename().string();
  if (path.extension() == ".bin" && name.find("_batch") != std::string::npos) return true;
  const auto size = static_cast<int64_t>(fs::file_size(path, error));
  if (error || size == 0 || size % kRecord != 0) return false;
  constexpr int64_t kProbed = 64;
  std::ifstream in(path, std::ios::binary);
  for (int64_t i = 0; i < std::min(size / kRecord, kProbed); ++i) {
    const int label = in.seekg(i * kRecord).get();
    if (label < 0 || label >= kClasses) return false;
  }
  return true;
}

/// Sorted by name.
std::vector<std::string> batches(const std::string& path) {
  if (!fs::is_directory(path)) return {path};
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(path)) {
    if (is_batch(entry.path())) files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

bool in_split(const std::string& file, const DataOptions& options) {
  if (options.split == DataSplit::all) return true;
  const bool alone = file == options.path;
  const bool test = !alone && fs::path(file).filename().string().find("test") != std::string::npos;
  return test == (options.split == DataSplit::test);
}

/// uint8 [records, 3073].
torch::Tensor read_records(const std::string& file) {
  std::error_code error;
  const auto size = static_cast<int64_t>(fs::file_size(file, error));
  std::ifstream in(file, std::ios::binary);
  if (error || !in) throw DataError(fmt::format("{}: cannot be opened", file));
  if (size == 0 || size % kRecord != 0) {
    throw DataError(
        fmt::format("{}: found {} bytes; wanted a multiple of {}, the label and "
                    "pixels of a CIFAR-10 image",
                    file, size, kRecord));
  }
  const auto records = torch::empty({size / kRecord, kRecord}, torch::kUInt8);
  in.read(static_cast<char*>(records.data_ptr()), size);
  if (in.gcount() != size) {
    throw DataError(fmt::format("{}: read {} bytes; wanted {}", file, in.gcount(), size));
  }
  const auto largest = records.select(1, 0).max().item<int64_t>();
  if (largest < kClasses) return records;
  throw DataError(fmt::format("{}: found the label {}; wanted 0 to 9", file, largest));
}

}  // namespace

bool is_cifar(const std::string& path) {
  std::error_code error;
  if (!fs::is_directory(path, error)) return is_batch(path);
  for (const auto& entry : fs::directory_iterator(path, error)) {
    if (is_batch(entry.path())) return true;
  }
  return false;
}

ImageSet load_cifar(const DataOptions& options) {
  std::vector<torch::Tensor> parts;
  for (const auto& file : batches(options.path)) {
    if (in_split(file, options)) parts.push_back(read_records(file));
  }
  if (parts.empty()) {
    const bool test = options.split == DataSplit::test;
    throw DataError(
        fmt::format("data.path = '{}': found no {} part; wanted {} or another "
                    "data.split",
                    options.path, test ? "test" : "training",
                    test ? "a folder with test_batch.bin" : "data_batch_1.bin, ..."));
  }
  const auto records = torch::cat(parts);
  ImageSet set;
  set.images = records.narrow(1, 1, kRecord - 1).reshape({-1, 3, 32, 32});
  if (!options.labels) return set;
  set.labels = records.select(1, 0).to(torch::kInt64);
  set.class_names = {"airplane", "automobile", "bird",  "cat",  "deer",
                     "dog",      "frog",       "horse", "ship", "truck"};
  return set;
}

}  // namespace halcyon
