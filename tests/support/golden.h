#pragma once

#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/torch.h"

namespace halcyon::testing {

using TensorMap = std::map<std::string, torch::Tensor>;

/// The tensors of a safetensors file that the repository itself holds: nothing is checked.
inline TensorMap load_golden(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  TORCH_CHECK(file, "cannot open ", path);
  uint64_t size = 0;
  file.read(reinterpret_cast<char*>(&size), sizeof size);
  std::string header(size, ' ');
  file.read(header.data(), static_cast<std::streamsize>(size));
  const std::string data((std::istreambuf_iterator<char>(file)), {});

  const std::map<std::string, torch::ScalarType> types = {
      {"F32", torch::kFloat32}, {"F64", torch::kFloat64}, {"I64", torch::kInt64}};
  const auto entries = nlohmann::json::parse(header);
  TensorMap tensors;
  for (const auto& [name, entry] : entries.items()) {
    const auto shape = entry.at("shape").get<std::vector<int64_t>>();
    auto tensor = torch::empty(shape, types.at(entry.at("dtype").get<std::string>()));
    std::memcpy(tensor.data_ptr(), data.data() + entry.at("data_offsets").at(0).get<size_t>(),
                tensor.nbytes());
    tensors.emplace(name, tensor);
  }
  return tensors;
}

}  // namespace halcyon::testing
