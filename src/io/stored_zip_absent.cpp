// What stands for the zip archives where LibArchive was not found.
#include <stdexcept>

#include "io/stored_zip.h"

namespace halcyon {

bool StoredZip::supported() { return false; }

StoredZip::StoredZip(const std::string& path) : path_(path), file_(-1), archive_(nullptr) {
  throw std::logic_error("this build has no zip archives");
}

StoredZip::~StoredZip() = default;
void StoredZip::add(const std::string&, std::string_view) {}
void StoredZip::close() {}
void StoredZip::require(int64_t) {}

}  // namespace halcyon
