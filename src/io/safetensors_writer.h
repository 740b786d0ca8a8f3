#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>

#include "io/atomic_file.h"
#include "io/safetensors_header.h"

namespace halcyon {

/// A safetensors file that is written piece by piece, so that its tensors need not be in memory.
/// It takes its name when it is whole (see AtomicFile).
class SafetensorsWriter {
 public:
  /// layout: names, shapes and types: tensors without data, on the device "meta".
  SafetensorsWriter(const std::string& path, const TensorMap& layout, const Metadata& metadata);

  /// The next numbers of the tensor called `name`, from any device and any strides.  Tensors come
  /// as data lie in the file: in the order of falling element size, then name.  @throws FileError
  void append(const std::string& name, const torch::Tensor& values);

  /// After all tensors are there.  @throws FileError
  void commit();

 private:
  SafetensorsLayout layout_;
  AtomicFile file_;
  size_t tensor_ = 0;     // that is written
  int64_t position_ = 0;  // in the data
};

}  // namespace halcyon
