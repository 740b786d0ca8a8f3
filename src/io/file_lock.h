#pragma once

#include <string>

#include "io/file_descriptor.h"

namespace halcyon {

/// Holds a file as long as it lives, so that of the processes that ask for it only one goes on. The
/// system lets go of it however the process ends; the file itself, empty, goes with the lock, and
/// stays after a kill.  A file system without locks holds nobody back.
class FileLock {
 public:
  /// Makes the file `path`.  @throws FileError if another process holds it, or it cannot be made
  explicit FileLock(const std::string& path);
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock();

 private:
  std::string path_;
  FileDescriptor file_;
};

}  // namespace halcyon
