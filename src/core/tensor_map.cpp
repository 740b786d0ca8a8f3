#include "core/tensor_map.h"

#include <fmt/format.h>

#include <sstream>
#include <vector>

#include "core/error.h"
#include "core/registry.h"
#include "core/torch.h"

namespace halcyon {
namespace {

std::string layout_of(const torch::Tensor& tensor) {
  std::ostringstream text;
  text << tensor.scalar_type() << ' ' << tensor.sizes();
  return text.str();
}

std::vector<std::string> names_of(const TensorMap& tensors) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors) names.push_back(name);
  return names;
}

}  // namespace

void require_same_layout(const TensorMap& found, const TensorMap& expected) {
  for (const auto& [name, tensor] : expected) {
    const auto it = found.find(name);
    if (it == found.end()) {
      throw CheckpointError(fmt::format(
          "tensor '{}' is missing: want {}{}", name, layout_of(tensor),
          found.empty() ? std::string()
                        : "; nearest is '" + nearest_name(name, names_of(found)) + "'"));
    }
    if (it->second.sizes() != tensor.sizes() || it->second.scalar_type() != tensor.scalar_type()) {
      throw CheckpointError(fmt::format("tensor '{}': want {}, got {}", name, layout_of(tensor),
                                        layout_of(it->second)));
    }
  }
  for (const auto& [name, tensor] : found) {
    if (expected.count(name) == 0) {
      throw CheckpointError(fmt::format("unknown tensor '{}' ({}): the model has none of that name",
                                        name, layout_of(tensor)));
    }
  }
}

void insert_with_prefix(TensorMap& whole, const std::string& prefix, const TensorMap& part) {
  for (const auto& [name, tensor] : part) whole[prefix + name] = tensor;
}

TensorMap with_prefix(const TensorMap& whole, const std::string& prefix) {
  TensorMap part;
  for (auto it = whole.lower_bound(prefix); it != whole.end() && it->first.rfind(prefix, 0) == 0;
       ++it) {
    part[it->first.substr(prefix.size())] = it->second;
  }
  return part;
}

}  // namespace halcyon
