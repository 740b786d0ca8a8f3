#include "io/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <vector>

#include "core/error.h"

namespace halcyon {
namespace fs = std::filesystem;

namespace {

constexpr const char* kTemporary = ".tmp-";

[[noreturn]] void fail(const char* action, const std::string& path) {
  throw FileError(fmt::format("cannot {} {}: {}", action, path, std::strerror(errno)));
}

std::string directory_of(const std::string& path) {
  const auto parent = fs::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

std::string destination(const std::string& path) {
  std::error_code ignored;
  const bool is_link = fs::is_symlink(path, ignored);
  const auto target = is_link ? fs::weakly_canonical(path, ignored).string() : path;
  const auto resolved = target.empty() ? path : target;
  const auto status = fs::status(resolved, ignored);
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    throw FileError(fmt::format("cannot write {}: it exists and is {}", path,
                                fs::is_directory(status) ? "a directory" : "not a regular file"));
  }
  return resolved;
}

}  // namespace

AtomicFile::AtomicFile(const std::string& path) : path_(destination(path)) {
  static std::atomic<int> counter = 0;
  // A killed process may have left a name behind, and process ids come again.
  do {
    temporary_ = fmt::format("{}/{}{}-{}", directory_of(path_), kTemporary, ::getpid(), counter++);
    file_ =
        FileDescriptor(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  } while (file_.get() < 0 && errno == EEXIST);
  if (file_.get() < 0) fail("write", path_);
}

AtomicFile::~AtomicFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::string_view bytes) { write_fully(file_, bytes, path_); }

void AtomicFile::commit(Durability durability) {
  const bool flush = durability == Durability::machine;
  if (flush && ::fsync(file_.get()) != 0) fail("write", path_);
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("write", path_);
  temporary_.clear();
  if (::close(file_.release()) != 0) fail("write", path_);
  if (flush) sync_directory(directory_of(path_));
}

void write_file_atomically(const std::string& path, std::string_view bytes, Durability durability) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit(durability);
}

std::string read_file(const std::string& path) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) fail("read", path);
  std::string bytes;
  char buffer[1 << 16];
  for (;;) {
    const auto count = ::read(file.get(), buffer, sizeof(buffer));
    if (count == 0) return bytes;
    if (count > 0) {
      bytes.append(buffer, static_cast<size_t>(count));
    } else if (errno != EINTR) {
      fail("read", path);
    }
  }
}

void write_fully(const FileDescriptor& file, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const auto count = ::write(file.get(), bytes.data(), bytes.size());
    if (count > 0) {
      bytes.remove_prefix(static_cast<size_t>(count));
    } else if (count == 0 || errno != EINTR) {
      fail("write", path);
    }
  }
}

void read_fully(const FileDescriptor& file, std::string& bytes, const std::string& path) {
  for (size_t done = 0; done < bytes.size();) {
    const auto count = ::read(file.get(), bytes.data() + done, bytes.size() - done);
    if (count == 0) throw FileError(fmt::format("cannot read {}: it is cut short", path));
    if (count < 0 && errno != EINTR) fail("read", path);
    if (count > 0) done += static_cast<size_t>(count);
  }
}

void move_file(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) fail("write", to);
  sync_directory(directory_of(to));
}

void remove_all(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) throw FileError(fmt::format("cannot remove {}: {}", path, error.message()));
}

void remove_temporaries(const std::string& folder) {
  std::vector<std::string> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().filename().string().rfind(kTemporary, 0) == 0) found.push_back(entry.path());
  }
  if (error) throw FileError(fmt::format("cannot read {}: {}", folder, error.message()));
  for (const auto& path : found) remove_all(path);
}

void require_file_place(const std::string& path) {
  make_directory(directory_of(path));
  destination(path);
}

void sync_directory(const std::string& directory) {
  const FileDescriptor file(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (file.get() < 0) fail("write", directory);
  // Some file systems cannot flush a directory and say EINVAL.
  if (::fsync(file.get()) != 0 && errno != EINVAL) fail("write", directory);
}

void make_directory(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) throw FileError(fmt::format("cannot make the folder {}: {}", path, error.message()));
}

}  // namespace halcyon
