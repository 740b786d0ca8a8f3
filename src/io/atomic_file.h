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

/// Fills all of `bytes` from an open descriptor; `path` is for the message.  @throws FileError,
/// also for a file that ends before
void read_fully(const FileDescriptor& file, std::string& bytes, const std::string& path);

/// Renames a file, in place of one that may be there, and makes the new name durable; both are on
/// one file system.  @throws FileError
void move_file(const std::string& from, const std::string& to);

/// Removes a file or a folder with all that is in it, if it is there.  @throws FileError
void remove_all(const std::string& path);

/// Removes what killed processes left of AtomicFiles in `folder`, where no other one may be
/// writing.  @throws FileError
void remove_temporaries(const std::string& folder);

/// Makes the folder for a file `path`.  @throws FileError if what is there is no regular file
void require_file_place(const std::string& path);

/// Makes the folder `path` and its parents, if they are not there.  @throws FileError
void make_directory(const std::string& path);

/// Makes the names in `directory` durable.  @throws FileError
void sync_directory(const std::string& directory);

}  // namespace halcyon
