#include "io/safetensors_header.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>
#include <utility>

namespace halcyon {
namespace {

constexpr size_t kMaxDims = 64;  // what LibTorch's own operators take

constexpr std::array<std::pair<torch::Dtype, const char*>, 10> kDtypes = {{
    {torch::kFloat64, "F64"},
    {torch::kFloat32, "F32"},
    {torch::kFloat16, "F16"},
    {torch::kBFloat16, "BF16"},
    {torch::kInt64, "I64"},
    {torch::kInt32, "I32"},
    {torch::kInt16, "I16"},
    {torch::kInt8, "I8"},
    {torch::kUInt8, "U8"},
    {torch::kBool, "BOOL"},
}};

// Names come from the file: cut and cleaned before they reach a terminal.
std::string printable(std::string_view text) {
  std::string shown(text.substr(0, 80));
  for (char& c : shown) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return "\"" + shown + (text.size() > 80 ? "...\"" : "\"");
}

template <class... Args>
[[noreturn]] void reject(fmt::format_string<Args...> text, Args&&... args) {
  throw HeaderError(fmt::format(text, std::forward<Args>(args)...));
}

struct RawTensor {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
  std::vector<int64_t> offsets;
};

/// Accepts the one shape of JSON that the format knows, event by event; so neither deep nesting nor
/// a second use of a name gets past it, and no tree is built of what a hostile file holds.
class HeaderHandler final : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::vector<RawTensor> tensors;
  Metadata metadata;

  bool start_object(size_t) override {
    if (place_ == Place::kStart) {
      place_ = Place::kTop;
    } else if (place_ == Place::kTop && key_ == "__metadata__") {
      place_ = Place::kMetadata;
    } else if (place_ == Place::kTop) {
      place_ = Place::kTensor;
      tensors.push_back({key_, "", {}, {}});
      fields_.clear();
    } else {
      unexpected("an object");
    }
    return true;
  }

  bool end_object() override {
    if (place_ == Place::kTensor && fields_.size() != 3) {
      reject("tensor {} lacks one of dtype, shape and data_offsets",
             printable(tensors.back().name));
    }
    place_ = place_ == Place::kTop ? Place::kEnd : Place::kTop;
    return true;
  }

  bool key(std::string& name) override {
    auto& seen = place_ == Place::kTop ? names_ : place_ == Place::kTensor ? fields_ : texts_;
    if (!seen.insert(name).second) reject("the name {} appears twice", printable(name));
    if (place_ == Place::kTensor && name != "dtype" && name != "shape" && name != "data_offsets") {
      reject("tensor {} has an unknown field {}", printable(tensors.back().name), printable(name));
    }
    key_ = name;
    return true;
  }

  bool string(std::string& text) override {
    if (place_ == Place::kMetadata) {
      metadata[key_] = text;
    } else if (place_ == Place::kTensor && key_ == "dtype") {
      tensors.back().dtype = text;
    } else {
      unexpected("a text");
    }
    return true;
  }

  bool start_array(size_t) override {
    if (place_ != Place::kTensor || key_ == "dtype") unexpected("a list");
    place_ = Place::kList;
    return true;
  }

  bool end_array() override {
    place_ = Place::kTensor;
    return true;
  }

  bool number_unsigned(uint64_t value) override {
    if (place_ != Place::kList) unexpected("a number");
    if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      unexpected("a number beyond 2^63");
    }
    auto& list = key_ == "shape" ? tensors.back().shape : tensors.back().offsets;
    if (list.size() == kMaxDims) unexpected("more than 64 numbers");
    list.push_back(static_cast<int64_t>(value));
    return true;
  }

  bool number_integer(int64_t) override { return unexpected("a negative number"); }
  bool number_float(double, const std::string&) override { return unexpected("a fraction"); }
  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("a boolean"); }
  bool binary(nlohmann::json::binary_t&) override { return unexpected("binary data"); }

  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception&) override {
    reject("the header is not JSON (at its byte {})", position);
  }

 private:
  enum class Place { kStart, kTop, kMetadata, kTensor, kList, kEnd };

  [[noreturn]] bool unexpected(const char* found) const {
    const auto in = place_ == Place::kTensor || place_ == Place::kList
                        ? fmt::format("{} of tensor {}", key_, printable(tensors.back().name))
                        : printable(key_);
    reject(
        "found {} in the header, at {}; wanted texts in __metadata__ and, per tensor, a dtype "
        "text and lists of non-negative integers",
        found, place_ == Place::kStart ? "its start" : in);
  }

  Place place_ = Place::kStart;
  std::string key_;
  std::set<std::string> names_, fields_, texts_;
};

torch::Dtype dtype_of(const RawTensor& raw) {
  for (const auto& [dtype, name] : kDtypes) {
    if (raw.dtype == name) return dtype;
  }
  reject("tensor {} has dtype {}; known are F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL",
         printable(raw.name), printable(raw.dtype));
}

int64_t bytes_of(const RawTensor& raw, torch::Dtype dtype) {
  auto bytes = static_cast<int64_t>(c10::elementSize(dtype));
  bool empty = false;
  for (const int64_t size : raw.shape) {
    empty = empty || size == 0;
    // A size of 0 counts as 1: LibTorch's strides must not overflow either.
    if (__builtin_mul_overflow(bytes, std::max<int64_t>(size, 1), &bytes)) {
      reject("tensor {} has the shape [{}], which overflows", printable(raw.name),
             fmt::join(raw.shape, ", "));
    }
  }
  return empty ? 0 : bytes;
}

TensorInfo check_tensor(RawTensor& raw, int64_t data_bytes) {
  const auto dtype = dtype_of(raw);
  const auto bytes = bytes_of(raw, dtype);
  if (raw.offsets.size() != 2 || raw.offsets[0] > raw.offsets[1]) {
    reject("tensor {} has data_offsets [{}]; wanted [begin, end]", printable(raw.name),
           fmt::join(raw.offsets, ", "));
  }
  const auto begin = raw.offsets[0], end = raw.offsets[1];
  if (end > data_bytes) {
    reject("tensor {} ends at byte {} of the data, but the file holds {}: it is cut short",
           printable(raw.name), end, data_bytes);
  }
  if (end - begin != bytes) {
    reject("tensor {} has {} bytes, but its dtype {} and shape [{}] make {}", printable(raw.name),
           end - begin, raw.dtype, fmt::join(raw.shape, ", "), bytes);
  }
  return {std::move(raw.name), dtype, std::move(raw.shape), begin, end};
}

}  // namespace

std::string dtype_name(torch::Dtype dtype) {
  for (const auto& [known, name] : kDtypes) {
    if (known == dtype) return name;
  }
  return "";
}

SafetensorsHeader parse_safetensors_header(std::string_view json, int64_t data_bytes) {
  HeaderHandler handler;
  nlohmann::json::sax_parse(json.begin(), json.end(), &handler);
  SafetensorsHeader header{{}, std::move(handler.metadata), 0};
  for (auto& raw : handler.tensors) header.tensors.push_back(check_tensor(raw, data_bytes));

  auto& tensors = header.tensors;
  std::sort(tensors.begin(), tensors.end(), [](const TensorInfo& a, const TensorInfo& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  int64_t filled = 0;
  for (const auto& tensor : tensors) {
    if (tensor.begin != filled) {
      reject("tensor {} begins at byte {} of the data, but the tensors before it end at {}: {}",
             printable(tensor.name), tensor.begin, filled,
             tensor.begin < filled ? "they overlap" : "there is a gap");
    }
    filled = tensor.end;
  }
  if (filled != data_bytes) {
    reject("the tensors end at byte {} of the data, but the file holds {}", filled, data_bytes);
  }
  return header;
}

SafetensorsLayout lay_out_safetensors(const TensorMap& tensors, const Metadata& metadata) {
  SafetensorsLayout layout;
  for (const auto& [name, tensor] : tensors) {
    TORCH_CHECK(tensor.defined() && tensor.layout() == torch::kStrided &&
                    !dtype_name(tensor.scalar_type()).empty() && name != "__metadata__",
                "safetensors cannot hold the tensor \"", name, "\"");
    const auto bytes = tensor.numel() * static_cast<int64_t>(tensor.element_size());
    layout.tensors.push_back({name, tensor.scalar_type(), tensor.sizes().vec(), 0, bytes});
  }
  std::stable_sort(layout.tensors.begin(), layout.tensors.end(), [](const auto& a, const auto& b) {
    return c10::elementSize(a.dtype) > c10::elementSize(b.dtype);
  });

  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  int64_t offset = 0;
  for (auto& tensor : layout.tensors) {
    tensor.begin = offset;
    tensor.end = offset += tensor.end;
    header[tensor.name] = {{"dtype", dtype_name(tensor.dtype)},
                           {"shape", tensor.shape},
                           {"data_offsets", {tensor.begin, tensor.end}}};
  }
  layout.json = header.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  layout.json.resize((layout.json.size() + 7) / 8 * 8, ' ');
  return layout;
}

}  // namespace halcyon
