#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "io/file_descriptor.h"

struct archive;

namespace halcyon {

/// Writes a zip archive whose files are stored uncompressed, with zip64 where sizes or counts want
/// it.  The same files give the same bytes: all are of 1980-01-01, the zero of the format.  Every
/// failure is a FileError; an archive that was not closed is removed.
class StoredZip {
 public:
  /// Whether this program was built with LibArchive.
  static bool supported();

  explicit StoredZip(const std::string& path);
  StoredZip(const StoredZip&) = delete;
  StoredZip& operator=(const StoredZip&) = delete;
  ~StoredZip();

  /// Adds a file.
  void add(const std::string& name, std::string_view bytes);
  /// Ends the archive and flushes it to the device.
  void close();

 private:
  void require(int64_t status);

  std::string path_;
  FileDescriptor file_;
  ::archive* archive_;
};

}  // namespace halcyon
