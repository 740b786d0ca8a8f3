#include "io/safetensors_sink.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "core/error.h"
#include "core/torch.h"
#include "io/atomic_file.h"
#include "io/safetensors_header.h"

namespace halcyon {
namespace {

[[noreturn]] void fail(const char* action, const std::string& path, int error) {
  throw FileError(fmt::format("cannot {} {}: {}", action, path, std::strerror(error)));
}

/// The bytes before the data.
std::string header_of(const std::vector<int64_t>& shape) {
  const auto options = torch::TensorOptions(torch::kFloat32).device(c10::kMeta);
  const auto json = lay_out_safetensors({{"samples", torch::empty(shape, options)}}, {}).json;
  const uint64_t length = json.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + json;
}

}  // namespace

SafetensorsSink::SafetensorsSink(const ImageSinkOptions& options, SinkStart start)
    : path_(options.path),
      part_(unfinished_folder(options.path) + "/samples"),
      shape_{options.count, options.channels, options.height, options.width},
      to_pixels_(options.to_pixels),
      header_(header_of(shape_)) {
  open_unfinished_folder(path_, start);
  start == SinkStart::anew ? create() : reopen();
}

/// The room on the disk is taken at once: a disk that is too small is found out before the work.
void SafetensorsSink::create() {
  file_ = FileDescriptor(::open(part_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (file_.get() < 0) fail("write", part_, errno);
  const auto bytes = static_cast<int64_t>(header_.size()) + shape_[0] * image_bytes();
  if (const int error = ::posix_fallocate(file_.get(), 0, bytes); error != 0) {
    remove_all(unfinished_folder(path_));
    throw FileError(fmt::format("cannot write {}: no room for {} bytes: {}", part_, bytes,
                                std::strerror(error)));
  }
  write_fully(file_, header_, part_);
}

void SafetensorsSink::reopen() {
  // An earlier process may have come as far as to give the file its name.
  const bool named = !std::filesystem::exists(part_) && std::filesystem::exists(path_);
  const auto& place = named ? path_ : part_;
  file_ = FileDescriptor(::open(place.c_str(), O_RDWR | O_CLOEXEC));
  if (file_.get() < 0) fail("read", place, errno);
  std::string header(header_.size(), '\0');
  read_fully(file_, header, place);
  const auto bytes = ::lseek(file_.get(), 0, SEEK_END);
  const auto want = static_cast<int64_t>(header_.size()) + shape_[0] * image_bytes();
  if (header != header_ || bytes != want) {
    throw FileError(fmt::format("cannot go on with {}: want the header and the {} bytes of {}",
                                place, want, fmt::join(shape_, " x ")));
  }
}

int64_t SafetensorsSink::image_bytes() const {
  return static_cast<int64_t>(sizeof(float)) * shape_[1] * shape_[2] * shape_[3];
}

void SafetensorsSink::seek(int64_t image) const {
  const auto position = static_cast<int64_t>(header_.size()) + image * image_bytes();
  if (::lseek(file_.get(), position, SEEK_SET) < 0) fail("write", part_, errno);
}

void SafetensorsSink::write(int64_t first, const torch::Tensor& images) {
  const auto data = images.to(torch::kCPU, torch::kFloat32).contiguous();
  seek(first);
  write_fully(file_, {static_cast<const char*>(data.data_ptr()), data.nbytes()}, part_);
}

torch::Tensor SafetensorsSink::pixels(int64_t first, int64_t count) const {
  std::string bytes(static_cast<size_t>(count * image_bytes()), '\0');
  seek(first);
  read_fully(file_, bytes, part_);
  const auto images = torch::from_blob(bytes.data(), {count, shape_[1], shape_[2], shape_[3]});
  return to_pixels_(images);
}

void SafetensorsSink::finish() {
  if (::fsync(file_.get()) != 0) fail("write", part_, errno);
  if (std::filesystem::exists(part_)) move_file(part_, path_);
}

void SafetensorsSink::clean_up() { remove_all(unfinished_folder(path_)); }

}  // namespace halcyon
