#include "io/safetensors.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "core/error.h"
#include "io/atomic_file.h"
#include "io/safetensors_header.h"

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

void read_at(const OpenFile& from, int64_t position, void* to, int64_t bytes,
             const std::string& path) {
  auto* next = static_cast<char*>(to);
  while (bytes > 0) {
    const auto count = ::pread(from.file.get(), next, static_cast<size_t>(bytes), position);
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
  read_at(opened, 0, start, std::min<int64_t>(opened.bytes, sizeof(start)), path);
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
  read_at(opened, kPrefixBytes, json.data(), static_cast<int64_t>(length), path);
  try {
    auto header = parse_safetensors_header(json, static_cast<int64_t>(room - length));
    header.data_start = kPrefixBytes + static_cast<int64_t>(length);
    return header;
  } catch (const HeaderError& error) {
    reject(path, error.what());
  }
}

torch::Tensor read_tensor(const OpenFile& opened, const SafetensorsHeader& header,
                          const TensorInfo& info, const std::string& path) {
  auto tensor = torch::empty(info.shape, info.dtype);
  const auto bytes = info.end - info.begin;
  read_at(opened, header.data_start + info.begin, tensor.data_ptr(), bytes, path);
  if (info.dtype == torch::kBool && bytes > 0 &&
      torch::from_blob(tensor.data_ptr(), {bytes}, torch::kUInt8).max().item<int64_t>() > 1) {
    reject(path, "a BOOL tensor holds bytes other than 0 and 1");
  }
  return tensor;
}

}  // namespace

void write_safetensors(const std::string& path, const TensorMap& tensors,
                       const Metadata& metadata) {
  const auto layout = lay_out_safetensors(tensors, metadata);
  const uint64_t length = layout.json.size();
  AtomicFile file(path);
  file.write({reinterpret_cast<const char*>(&length), sizeof(length)});
  file.write(layout.json);
  for (const auto& info : layout.tensors) {
    const auto data = tensors.at(info.name).detach().cpu().resolve_neg().contiguous();
    file.write(
        {static_cast<const char*>(data.data_ptr()), static_cast<size_t>(info.end - info.begin)});
  }
  file.commit();
}

SafetensorsHeader read_safetensors_header(const std::string& path) {
  return read_header(open_file(path), path);
}

SafetensorsFile read_safetensors(const std::string& path) {
  const auto opened = open_file(path);
  auto header = read_header(opened, path);
  SafetensorsFile file;
  for (const auto& info : header.tensors) {
    file.tensors[info.name] = read_tensor(opened, header, info, path);
  }
  file.metadata = std::move(header.metadata);
  return file;
}

}  // namespace halcyon
