#include "data/image_zip.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <memory>
#include <vector>

#include "core/error.h"
#include "data/image_files.h"
#include "data/index_loop.h"

namespace halcyon {
namespace {

constexpr size_t kBlock = size_t{1} << 16;
constexpr size_t kMostBytes = size_t{1} << 30;  // of a file
constexpr size_t kFilesAtOnce = 256;

using Bytes = std::vector<unsigned char>;

/// Walks through the files of an archive.
class ZipReader {
 public:
  explicit ZipReader(const std::string& path) : path_(path), archive_(archive_read_new()) {
    archive_read_support_format_zip(archive_.get());
    require(archive_read_open_filename(archive_.get(), path.c_str(), kBlock));
  }

  /// Whether there is a next file, whose name this puts into `name`.
  bool next(std::string& name) {
    archive_entry* entry = nullptr;
    while (true) {
      const int status = archive_read_next_header(archive_.get(), &entry);
      if (status == ARCHIVE_EOF) return false;
      require(status);
      if (archive_entry_filetype(entry) != AE_IFREG) continue;
      const char* found = archive_entry_pathname_utf8(entry);
      if (found == nullptr) found = archive_entry_pathname(entry);
      name = found ? found : "";
      return true;
    }
  }

  /// What the present file really holds.  @throws DataError with the reason alone
  Bytes bytes() {
    Bytes all;
    while (true) {
      const auto before = all.size();
      all.resize(before + kBlock);
      const auto got = archive_read_data(archive_.get(), all.data() + before, kBlock);
      if (got < 0) throw DataError(reason());
      all.resize(before + static_cast<size_t>(got));
      if (got == 0) return all;
      if (all.size() > kMostBytes) throw DataError("more than 2^30 bytes");
    }
  }

 private:
  struct Deleter {
    void operator()(::archive* archive) const { archive_read_free(archive); }
  };

  std::string reason() {
    const char* text = archive_error_string(archive_.get());
    return text ? text : "damaged";
  }
  void require(int status) {
    if (status >= ARCHIVE_WARN) return;
    throw DataError(
        fmt::format("data.path = '{}': {}; wanted a zip archive of images", path_, reason()));
  }

  std::string path_;
  std::unique_ptr<::archive, Deleter> archive_;
};

bool hidden(const std::string& name) {
  return name.empty() || name[0] == '.' || name.find("/.") != std::string::npos;
}

/// The names of the images, in byte order.
std::vector<std::string> image_names(const std::string& path) {
  std::vector<std::string> names;
  ZipReader zip(path);
  for (std::string name; zip.next(name);) {
    if (!hidden(name) && named_like_image(name)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice != names.end()) {
    throw DataError(fmt::format("data.path = '{}': found two files '{}'; wanted one of each name",
                                path, *twice));
  }
  if (names.empty()) {
    throw DataError(fmt::format("data.path = '{}': found no image file in the archive; {}", path,
                                kWantedImages));
  }
  return names;
}

/// A file of the archive, or why there is none.
struct Entry {
  size_t index;
  Bytes bytes;
  std::string failure;
};

}  // namespace

bool is_image_zip(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  char start[4] = {};
  in.read(start, sizeof start);
  return in && std::string(start, 4) == "PK\3\4";
}

ImageSet load_image_zip(const DataOptions& options) {
  if (options.split == DataSplit::test) {
    throw DataError(
        fmt::format("data.path = '{}': found an archive of images, which has no test part; "
                    "wanted data.split = train or all",
                    options.path));
  }
  const auto names = image_names(options.path);
  return read_image_files(names, options, [&](size_t first, size_t count, const auto& take) {
    std::map<std::string, size_t> wanted;
    for (size_t i = first; i < first + count; ++i) wanted[names[i]] = i;
    std::vector<Entry> entries;
    const auto decode = [&] {
      for_each_index(static_cast<int64_t>(entries.size()), [&](int64_t i) {
        auto& entry = entries[static_cast<size_t>(i)];
        take(entry.index, [&]() -> Bytes {
          if (!entry.failure.empty()) throw DataError(entry.failure);
          return std::move(entry.bytes);
        });
      });
      entries.clear();
    };
    ZipReader zip(options.path);
    for (std::string name; zip.next(name);) {
      const auto found = wanted.find(name);
      if (found == wanted.end()) continue;
      Entry entry = {found->second, {}, {}};
      try {
        entry.bytes = zip.bytes();
      } catch (const DataError& error) {
        entry.failure = error.what();
      }
      entries.push_back(std::move(entry));
      if (entries.size() == kFilesAtOnce) decode();
    }
    decode();
  });
}

}  // namespace halcyon
