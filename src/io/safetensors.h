#pragma once

#include <torch/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/tensor_map.h"
#include "io/file_descriptor.h"

namespace halcyon {

using Metadata = std::map<std::string, std::string>;

/// Named tensors and named texts in the safetensors format of Hugging Face:
///
///     u64 header length, little endian | JSON header, padded with spaces | data
///     {"__metadata__": {text: text}, name: {"dtype", "shape", "data_offsets": [begin, end]}, ...}
///
/// Python reads and writes it with safetensors.torch.load_file and save_file.  Dtypes: F64 F32 F16
/// BF16 I64 I32 I16 I8 U8 BOOL.
struct SafetensorsFile {
  TensorMap tensors;
  Metadata metadata;
};

/// Writes atomically (see AtomicFile), from any device and any strides.  The same maps give the
/// same bytes: data lie in the order of falling element size, then name, so every tensor is
/// aligned. Bytes of the metadata that are not UTF-8 become U+FFFD.  @throws FileError
void write_safetensors(const std::string& path, const TensorMap& tensors, const Metadata& metadata);

/// Tensors on the CPU.  Nothing in the file is trusted, nothing is executed, and memory is
/// taken only for what the file really holds.  @throws CheckpointError naming the file, what was
/// found there and what was wanted
SafetensorsFile read_safetensors(const std::string& path);

struct TensorInfo {
  std::string name;
  torch::Dtype dtype;
  std::vector<int64_t> shape;
  int64_t begin;  // first byte, from the start of the data
  int64_t end;    // past the last byte
};

struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;  // in the order of the data, without gaps
  Metadata metadata;
  int64_t data_start;  // in the file
};

/// What a file holds, without reading the data.  Checks and throws as read_safetensors().
SafetensorsHeader read_safetensors_header(const std::string& path);

/// A file read tensor by tensor, so that a large one need not be in memory beside what it is read
/// for.  Checks and throws as read_safetensors().
class SafetensorsReader {
 public:
  explicit SafetensorsReader(const std::string& path);

  const Metadata& metadata() const { return header_.metadata; }

  /// Names, shapes and types: tensors without data, on the device "meta".
  TensorMap layout() const;

  /// Fills `into`, on any device and with any strides, from the tensor called `name`, which is
  /// there and has its shape and type.
  void read(const std::string& name, const torch::Tensor& into) const;

 private:
  std::string path_;
  FileDescriptor file_;
  SafetensorsHeader header_;
};

/// The format's word for a dtype, as "F32"; empty if it has none.
std::string dtype_name(torch::Dtype dtype);

}  // namespace halcyon
