#pragma once

#include <string>
#include <string_view>

#include "io/file_descriptor.h"

namespace halcyon {

/// What a file outlives once it is written: the process, or also the machine (slower: flushed).
enum class Durability { process, machine };

/// A file that comes into being whole: its bytes go to a temporary name (".tmp-...") in the
/// directory of `path`, and commit() puts them in place.  Whoever reads `path`, also after a crash,
/// finds the old file or the new one, never a part.  Without commit() nothing is left behind.
///
/// Every failure is a FileError that names `path` and the system's reason.
class AtomicFile {
 public:
  /// A symbolic link is followed; a `path` that exists and is not a regular file is refused.
  explicit AtomicFile(const std::string& path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  void write(std::string_view bytes);
  /// Renames to `path`; for the machine, flushes file and directory to the device.
  void commit(Durability durability = Durability::machine);

 private:
  std::string path_;
  std::string temporary_;
  FileDescriptor file_;
};

/// Makes `path` hold exactly `bytes`; see AtomicFile.
void write_file_atomically(const std::string& path, std::string_view bytes,
                           Durability durability = Durability::machine);

/// The bytes of `path`.  @throws FileError
std::string read_file(const std::string& path);

/// Writes all of `bytes` to an open descriptor; `path` is for the message.  @throws FileError
void write_fully(const FileDescriptor& file, std::string_view bytes, const std::string& path);

/// Makes the folder `path` and its parents, if they are not there.  @throws FileError
void make_directory(const std::string& path);

/// Makes the names in `directory` durable.  @throws FileError
void sync_directory(const std::string& directory);

}  // namespace halcyon
