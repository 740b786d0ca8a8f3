#include "io/stored_zip.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace halcyon {
namespace {

struct EntryDeleter {
  void operator()(archive_entry* entry) const { archive_entry_free(entry); }
};

}  // namespace

bool StoredZip::supported() { return true; }

StoredZip::StoredZip(const std::string& path)
    : path_(path),
      file_(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)),
      archive_(nullptr) {
  if (file_.get() < 0) {
    throw FileError(fmt::format("cannot write {}: {}", path_, std::strerror(errno)));
  }
  archive_ = archive_write_new();
  require(archive_write_set_format_zip(archive_));
  require(archive_write_set_options(archive_, "zip:compression=store"));
  require(archive_write_set_bytes_per_block(archive_, 1 << 20));
  require(archive_write_set_bytes_in_last_block(archive_, 1));  // no padding
  require(archive_write_open_fd(archive_, file_.get()));
}

StoredZip::~StoredZip() {
  if (archive_ == nullptr) return;
  archive_write_fail(archive_);
  archive_write_free(archive_);
  ::unlink(path_.c_str());
}

void StoredZip::add(const std::string& name, std::string_view bytes) {
  const std::unique_ptr<archive_entry, EntryDeleter> entry(archive_entry_new());
  archive_entry_set_pathname(entry.get(), name.c_str());
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0644);
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(bytes.size()));
  require(archive_write_header(archive_, entry.get()));
  require(archive_write_data(archive_, bytes.data(), bytes.size()));
  require(archive_write_finish_entry(archive_));
}

void StoredZip::close() {
  require(archive_write_close(archive_));
  if (::fsync(file_.get()) != 0) {
    throw FileError(fmt::format("cannot write {}: {}", path_, std::strerror(errno)));
  }
  archive_write_free(archive_);
  archive_ = nullptr;
}

void StoredZip::require(int64_t status) {
  if (status >= ARCHIVE_OK) return;
  const int error = archive_errno(archive_);
  const char* reason = error > 0 ? std::strerror(error) : archive_error_string(archive_);
  throw FileError(fmt::format("cannot write {}: {}", path_, reason ? reason : "no reason given"));
}

}  // namespace halcyon
