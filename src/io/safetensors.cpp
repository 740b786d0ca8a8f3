#include "io/safetensors.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "core/error.h"
#include "io/safetensors_header.h"
#include "io/safetensors_writer.h"

namespace halcyon {
namespace {

static_assert(std::endian::native == std::endian::little, "data are copied as they lie in memory");

constexpr int64_t kPrefixBytes = 8;
constexpr uint64_t kMaxHeaderBytes = 100'000'000;

[[noreturn]] void reject(const std::string& path, const std::string& reason) {
  throw CheckpointError(fmt::format("cannot read {} as safetensors: {}", path, reason));
}

struct OpenFile {
  FileDescriptor file;
  int64_t bytes;
};

OpenFile open_file(const std::string& path) {
  // O_NONBLOCK: a named pipe must not make us wait.
  OpenFile opened{FileDescriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)), 0};
  struct stat status {};
  if (opened.file.get() < 0 || ::fstat(opened.file.get(), &status) != 0) {
    reject(path, std::strerror(errno));
  }
  if (S_ISDIR(status.st_mode)) reject(path, "it is a directory; wanted a .safetensors file");
  if (!S_ISREG(status.st_mode)) reject(path, "it is not a regular file");
  opened.bytes = status.st_size;
  return opened;
}

void read_at(const FileDescriptor& from, int64_t position, void* to, int64_t bytes,
             const std::string& path) {
  auto* next = static_cast<char*>(to);
  while (bytes > 0) {
    const auto count = ::pread(from.get(), next, static_cast<size_t>(bytes), position);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) reject(path, std::strerror(errno));
    if (count == 0) reject(path, fmt::format("it ends at byte {}: it is cut short", position));
    next += count;
    position += count;
    bytes -= count;
  }
}

void reject_pickle(std::string_view start, const std::string& path) {
  const bool zip = start.substr(0, 4) == std::string_view("PK\x03\x04", 4);
  const bool pickle = start.size() > 1 && start[0] == '\x80' && start[1] >= 2 && start[1] <= 5;
  if (!zip && !pickle) return;
  reject(path,
         "it is a pickle, as torch.save writes; pickles can run code and are never read.  Convert "
         "it with Python: safetensors.torch.save_file(torch.load(\"old.pt\", weights_only=True), "
         "\"new.safetensors\")");
}

SafetensorsHeader read_header(const OpenFile& opened, const std::string& path) {
  if (opened.bytes < kPrefixBytes) {
    reject(path, fmt::format("it has {} bytes; wanted a header", opened.bytes));
  }
  // The ninth byte tells a pickle from a header whose length happens to start with its mark.
  char start[kPrefixBytes + 1] = {};
  read_at(opened.file, 0, start, std::min<int64_t>(opened.bytes, sizeof(start)), path);
  uint64_t length = 0;
  std::memcpy(&length, start, kPrefixBytes);
  const auto room = static_cast<uint64_t>(opened.bytes - kPrefixBytes);
  if (length > room || start[kPrefixBytes] != '{') reject_pickle({start, sizeof(start)}, path);
  if (length > kMaxHeaderBytes) {
    reject(path, fmt::format("its header would have {} bytes; at most {} are allowed", length,
                             kMaxHeaderBytes));
  }
  if (length > room) {
    reject(path, fmt::format("its header should have {} bytes, but only {} follow: it is cut short",
                             length, room));
  }
  std::string json(length, '\0');
  read_at(opened.file, kPrefixBytes, json.data(), static_cast<int64_t>(length), path);
  try {
    auto header = parse_safetensors_header(json, static_cast<int64_t>(room - length));
    header.data_start = kPrefixBytes + static_cast<int64_t>(length);
    return header;
  } catch (const HeaderError& error) {
    reject(path, error.what());
  }
}

/// `into` is contiguous and on the CPU.
void read_data(const FileDescriptor& file, int64_t position, const torch::Tensor& into,
               const std::string& path) {
  const auto bytes = into.numel() * static_cast<int64_t>(into.element_size());
  read_at(file, position, into.data_ptr(), bytes, path);
  if (into.scalar_type() == torch::kBool && bytes > 0 &&
      torch::from_blob(into.data_ptr(), {bytes}, torch::kUInt8).max().item<int64_t>() > 1) {
    reject(path, "a BOOL tensor holds bytes other than 0 and 1");
  }
}

}  // namespace

void write_safetensors(const std::string& path, const TensorMap& tensors,
                       const Metadata& metadata) {
  SafetensorsWriter file(path, tensors, metadata);
  for (const auto& info : lay_out_safetensors(tensors, {}).tensors) {
    file.append(info.name, tensors.at(info.name));
  }
  file.commit();
}

SafetensorsHeader read_safetensors_header(const std::string& path) {
  return read_header(open_file(path), path);
}

SafetensorsFile read_safetensors(const std::string& path) {
  const SafetensorsReader reader(path);
  SafetensorsFile file{{}, reader.metadata()};
  for (const auto& [name, like] : reader.layout()) {
    auto& tensor = file.tensors[name] = torch::empty(like.sizes(), like.scalar_type());
    reader.read(name, tensor);
  }
  return file;
}

SafetensorsReader::SafetensorsReader(const std::string& path) : path_(path) {
  auto opened = open_file(path);
  header_ = read_header(opened, path);
  file_ = std::move(opened.file);
}

TensorMap SafetensorsReader::layout() const {
  TensorMap tensors;
  for (const auto& info : header_.tensors) {
    tensors[info.name] =
        torch::empty(info.shape, torch::TensorOptions(info.dtype).device(c10::kMeta));
  }
  return tensors;
}

void SafetensorsReader::read(const std::string& name, const torch::Tensor& into) const {
  const auto info = std::find_if(header_.tensors.begin(), header_.tensors.end(),
                                 [&](const TensorInfo& tensor) { return tensor.name == name; });
  TORCH_CHECK(info != header_.tensors.end() && into.sizes() == info->shape &&
                  into.scalar_type() == info->dtype,
              "no tensor called ", name, " of shape ", into.sizes(), " in ", path_);
  const bool direct = into.is_contiguous() && into.device().is_cpu();
  const auto tensor = direct ? into : torch::empty(info->shape, info->dtype);
  read_data(file_, header_.data_start + info->begin, tensor, path_);
  if (!direct) torch::Tensor(into).copy_(tensor);
}

}  // namespace halcyon
