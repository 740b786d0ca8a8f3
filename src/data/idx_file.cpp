#include "data/idx_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <zlib.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <vector>

#include "core/error.h"
#include "core/torch.h"

namespace halcyon {
namespace {

constexpr unsigned char kUnsignedByte = 0x08;
constexpr double kMaxBytes = 68719476736.0;  // 2^36

/// Reads through zlib, which passes plain files on unchanged.
class GzipReader {
 public:
  explicit GzipReader(const std::string& path)
      : path_(path), file_(gzopen(path.c_str(), "rb"), gzclose) {
    if (!file_) throw DataError(fmt::format("{}: cannot be opened; wanted an IDX file", path));
  }

  /// `count` bytes, or as many as there are.  Memory grows with what is read, not with `count`.
  std::vector<unsigned char> read(int64_t count) {
    constexpr int64_t kChunk = int64_t{1} << 24;
    std::vector<unsigned char> bytes;
    while (count > static_cast<int64_t>(bytes.size())) {
      const auto have = bytes.size();
      const auto step = std::min(kChunk, count - static_cast<int64_t>(have));
      bytes.resize(have + static_cast<size_t>(step));
      const int got = gzread(file_.get(), bytes.data() + have, static_cast<unsigned>(step));
      check();
      bytes.resize(have + static_cast<size_t>(got));
      if (got < step) break;
    }
    return bytes;
  }

 private:
  void check() {
    int code = Z_OK;
    const char* message = gzerror(file_.get(), &code);
    if (code == Z_OK || code == Z_STREAM_END) return;
    const char* found = code == Z_BUF_ERROR ? "truncated gzip data" : message;
    throw DataError(fmt::format("{}: found {}; wanted a whole IDX file", path_, found));
  }

  std::string path_;
  std::unique_ptr<gzFile_s, int (*)(gzFile)> file_;
};

int64_t read_rank(GzipReader& reader, const std::string& path) {
  constexpr const char* kWanted = "wanted 0x00000801 (labels), 0x00000803 or 0x00000804 (images)";
  const auto magic = reader.read(4);
  if (magic.size() < 4) {
    throw DataError(fmt::format("{}: found {} bytes; {}", path, magic.size(), kWanted));
  }
  const bool ranked = magic[3] == 1 || magic[3] == 3 || magic[3] == 4;
  if (magic[0] != 0 || magic[1] != 0 || magic[2] != kUnsignedByte || !ranked) {
    throw DataError(fmt::format("{}: found the magic number 0x{:02X}{:02X}{:02X}{:02X}; {}", path,
                                magic[0], magic[1], magic[2], magic[3], kWanted));
  }
  return magic[3];
}

std::vector<int64_t> read_shape(GzipReader& reader, int64_t rank, const std::string& path) {
  const auto bytes = reader.read(4 * rank);
  if (static_cast<int64_t>(bytes.size()) < 4 * rank) {
    throw DataError(fmt::format("{}: found a truncated header; wanted {} dimensions", path, rank));
  }
  std::vector<int64_t> shape;
  for (size_t i = 0; i < bytes.size(); i += 4) {
    shape.push_back(int64_t{bytes[i]} << 24 | bytes[i + 1] << 16 | bytes[i + 2] << 8 |
                    bytes[i + 3]);
  }
  return shape;
}

}  // namespace

bool begins_like_idx(const std::string& path) try {
  const auto magic = GzipReader(path).read(4);
  return magic.size() == 4 && magic[0] == 0 && magic[1] == 0 && magic[2] >= 0x08 &&
         magic[2] <= 0x0E && magic[3] >= 1 && magic[3] <= 8;
} catch (const DataError&) {
  return false;
}

int64_t idx_rank(const std::string& path) {
  GzipReader reader(path);
  return read_rank(reader, path);
}

torch::Tensor read_idx(const std::string& path) {
  GzipReader reader(path);
  const auto shape = read_shape(reader, read_rank(reader, path), path);
  const double declared = std::accumulate(shape.begin(), shape.end(), 1.0, std::multiplies<>());
  if (declared > kMaxBytes) {
    throw DataError(fmt::format("{}: found a header that declares [{}] bytes; wanted at most 2^36",
                                path, fmt::join(shape, ", ")));
  }
  const auto count = static_cast<int64_t>(declared);
  auto data = reader.read(count);
  if (static_cast<int64_t>(data.size()) < count) {
    throw DataError(fmt::format("{}: found {} bytes of data, truncated; wanted {} = [{}]", path,
                                data.size(), count, fmt::join(shape, ", ")));
  }
  if (!reader.read(1).empty()) {
    throw DataError(fmt::format("{}: found trailing bytes; wanted {} = [{}] bytes of data", path,
                                count, fmt::join(shape, ", ")));
  }
  return torch::from_blob(data.data(), shape, torch::kUInt8).clone();
}

}  // namespace halcyon
