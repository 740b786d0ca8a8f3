#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include "io/safetensors.h"

namespace halcyon {

/// What is wrong with a header; read_safetensors() adds the name of the file.
struct HeaderError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Parses a JSON header and checks it against the number of bytes of data that follow it: the
/// tensors must fill them without gap or overlap.  data_start is left 0.  @throws HeaderError
SafetensorsHeader parse_safetensors_header(std::string_view json, int64_t data_bytes);

/// Lays the tensors out and returns the JSON header and the tensors' places, in the order of the
/// data.
struct SafetensorsLayout {
  std::string json;
  std::vector<TensorInfo> tensors;
};
SafetensorsLayout lay_out_safetensors(const TensorMap& tensors, const Metadata& metadata);

}  // namespace halcyon
