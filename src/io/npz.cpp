#include "io/npz.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <memory>

#include "core/error.h"
#include "core/torch.h"
#include "io/atomic_file.h"
#include "io/npy.h"
#include "io/stored_zip.h"

namespace halcyon {
namespace {

constexpr size_t kBlock = size_t{1} << 20;
constexpr size_t kMostBytes = size_t{1} << 36;  // of an array

struct ArchiveDeleter {
  void operator()(::archive* archive) const { archive_read_free(archive); }
};
using Archive = std::unique_ptr<::archive, ArchiveDeleter>;

[[noreturn]] void refuse(const std::string& path, const std::string& what) {
  throw DataError(fmt::format("'{}': {}; want an .npz of NumPy", path, what));
}

std::string reason(::archive* archive) {
  const char* text = archive_error_string(archive);
  return text ? text : "no zip archive";
}

void require_read(::archive* archive, int status, const std::string& path) {
  if (status < ARCHIVE_WARN) refuse(path, reason(archive));
}

/// What the entry really holds, whatever its header says.
std::string entry_bytes(::archive* archive, const std::string& path) {
  std::string bytes;
  while (true) {
    const auto before = bytes.size();
    bytes.resize(before + kBlock);
    const auto got = archive_read_data(archive, bytes.data() + before, kBlock);
    if (got < 0) refuse(path, reason(archive));
    bytes.resize(before + static_cast<size_t>(got));
    if (got == 0) return bytes;
    if (bytes.size() > kMostBytes) refuse(path, "an array of more than 2^36 bytes");
  }
}

}  // namespace

void write_npz(const std::string& path, const TensorMap& arrays) {
  require_file_place(path);
  const auto unfinished = fmt::format("{}.tmp-{}", path, ::getpid());
  StoredZip archive(unfinished);
  for (const auto& [name, array] : arrays) archive.add(name + ".npy", npy_bytes(array));
  archive.close();
  move_file(unfinished, path);
}

TensorMap read_npz(const std::string& path) {
  const Archive archive(archive_read_new());
  archive_read_support_format_zip(archive.get());
  require_read(archive.get(), archive_read_open_filename(archive.get(), path.c_str(), kBlock),
               path);
  TensorMap arrays;
  archive_entry* entry = nullptr;
  for (int status = 0; (status = archive_read_next_header(archive.get(), &entry)) != ARCHIVE_EOF;) {
    require_read(archive.get(), status, path);
    const char* found = archive_entry_pathname(entry);
    std::string name = found ? found : "";
    if (!name.ends_with(".npy")) refuse(path, fmt::format("an entry '{}'", name));
    name.resize(name.size() - 4);
    const auto bytes = entry_bytes(archive.get(), path);
    try {
      arrays[name] = parse_npy(bytes);
    } catch (const DataError& error) {
      refuse(path, fmt::format("array '{}': {}", name, error.what()));
    }
  }
  if (arrays.empty()) refuse(path, "holds no array");
  return arrays;
}

}  // namespace halcyon
