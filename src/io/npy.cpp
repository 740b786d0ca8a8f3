#include "io/npy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <vector>

#include "core/error.h"
#include "core/torch.h"

namespace halcyon {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kAlignment = 64;
constexpr int64_t kMostElements = int64_t{1} << 40;
constexpr size_t kMostAxes = 16;

struct Kind {
  const char* descr;
  torch::Dtype dtype;
};
constexpr Kind kKinds[] = {{"<f8", torch::kFloat64}, {"<f4", torch::kFloat32},
                           {"<f2", torch::kFloat16}, {"<i8", torch::kInt64},
                           {"<i4", torch::kInt32},   {"<i2", torch::kInt16},
                           {"|i1", torch::kInt8},    {"|u1", torch::kUInt8}};

torch::Dtype dtype_of(std::string_view descr) {
  for (const auto& kind : kKinds) {
    if (descr == kind.descr) return kind.dtype;
  }
  throw DataError(fmt::format("type '{}'; want little-endian numbers", descr.substr(0, 32)));
}

/// Reads the header, a Python literal {'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), },
/// and nothing else of Python.
class HeaderReader {
 public:
  explicit HeaderReader(std::string_view text) : text_(text) {}

  torch::Dtype dtype = torch::kFloat64;
  bool fortran = false;
  std::vector<int64_t> shape;

  void read() {
    want("{");
    int keys = 0;
    while (!take("}")) {
      const auto key = quoted();
      want(":");
      const int which = read_value(key);
      if (keys & which) fail();
      keys |= which;
      if (!take(",")) {
        want("}");
        break;
      }
    }
    if (keys != 7) fail();
  }

 private:
  [[noreturn]] void fail() const {
    throw DataError(fmt::format("no .npy header at '{}'", text_.substr(0, 32)));
  }

  int read_value(std::string_view key) {
    if (key == "descr") {
      dtype = dtype_of(quoted());
      return 1;
    }
    if (key == "fortran_order") {
      fortran = take("True");
      if (!fortran) want("False");
      return 2;
    }
    if (key != "shape") fail();
    read_shape();
    return 4;
  }

  void read_shape() {
    want("(");
    while (!take(")")) {
      int64_t length = 0;
      skip_spaces();
      const auto* end = text_.data() + text_.size();
      const auto result = std::from_chars(text_.data(), end, length);
      if (result.ec != std::errc() || length < 0 || shape.size() == kMostAxes) fail();
      text_.remove_prefix(result.ptr - text_.data());
      shape.push_back(length);
      if (!take(",")) {
        want(")");
        break;
      }
    }
  }

  std::string_view quoted() {
    skip_spaces();
    if (text_.empty() || (text_[0] != '\'' && text_[0] != '"')) fail();
    const auto end = text_.find(text_[0], 1);
    if (end == std::string_view::npos) fail();
    const auto inside = text_.substr(1, end - 1);
    text_.remove_prefix(end + 1);
    return inside;
  }

  void skip_spaces() {
    text_.remove_prefix(std::min(text_.find_first_not_of(" \n\t"), text_.size()));
  }
  bool take(std::string_view word) {
    skip_spaces();
    if (text_.substr(0, word.size()) != word) return false;
    text_.remove_prefix(word.size());
    return true;
  }
  void want(std::string_view word) {
    if (!take(word)) fail();
  }

  std::string_view text_;
};

uint64_t little_endian(std::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

/// Elements of the shape.  @throws DataError where there are more than any file holds
int64_t elements(const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (const auto length : shape) {
    if (length > 0 && count > kMostElements / length) {
      throw DataError(fmt::format("shape ({}) is too large", fmt::join(shape, ", ")));
    }
    count *= length;
  }
  return count;
}

std::string shape_literal(torch::IntArrayRef shape) {
  return fmt::format("({}{})", fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
}

}  // namespace

std::string npy_bytes(const torch::Tensor& array) {
  const auto data = array.to(torch::kCPU).contiguous();
  const Kind* found = nullptr;
  for (const auto& kind : kKinds) {
    if (kind.dtype == data.scalar_type()) found = &kind;
  }
  TORCH_CHECK(found != nullptr, "npy_bytes: no type of .npy for ", data.scalar_type());
  auto header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}",
                            found->descr, shape_literal(data.sizes()));
  const size_t before = kMagic.size() + 4;
  const size_t length = (before + header.size() + 1 + kAlignment - 1) / kAlignment * kAlignment;
  header.resize(length - before - 1, ' ');
  header += '\n';
  std::string bytes(kMagic);
  bytes +=
      {'\1', '\0', static_cast<char>(header.size() & 255), static_cast<char>(header.size() >> 8)};
  bytes += header;
  bytes.append(static_cast<const char*>(data.data_ptr()), data.nbytes());
  return bytes;
}

torch::Tensor parse_npy(std::string_view bytes) {
  if (bytes.substr(0, kMagic.size()) != kMagic || bytes.size() < 10) {
    throw DataError("no .npy array");
  }
  const int version = bytes[6];
  if (version < 1 || version > 3) {
    throw DataError(fmt::format("version {} of .npy; want 1 to 3", version));
  }
  const size_t width = version == 1 ? 2 : 4;
  const auto length = little_endian(bytes.substr(8, width));
  if (bytes.size() < 8 + width || length > bytes.size() - 8 - width) throw DataError("truncated");
  HeaderReader header(bytes.substr(8 + width, length));
  header.read();
  const auto data = bytes.substr(8 + width + length);
  const auto size = elements(header.shape) * static_cast<int64_t>(c10::elementSize(header.dtype));
  if (static_cast<int64_t>(data.size()) != size) {
    throw DataError(fmt::format("{} bytes of data; its shape {} wants {}", data.size(),
                                shape_literal(header.shape), size));
  }
  if (header.fortran) std::reverse(header.shape.begin(), header.shape.end());
  const auto array = torch::empty(header.shape, header.dtype);
  if (size > 0) std::memcpy(array.data_ptr(), data.data(), data.size());
  if (!header.fortran) return array;
  std::vector<int64_t> axes;
  for (auto axis = array.dim(); axis-- > 0;) axes.push_back(axis);
  return array.permute(axes).contiguous();
}

}  // namespace halcyon
