#include "checkpoint/curvature_file.h"

#include <fmt/format.h>
#include <torch/torch.h>

#include <cstring>
#include <map>
#include <set>
#include <sstream>

#include "core/error.h"

namespace halcyon {
namespace {

constexpr const char* kBlock = "block.";
constexpr const char* kEigenvalues = ".eigenvalues";
constexpr const char* kLeft = ".left";
constexpr const char* kRight = ".right";

std::string described(const CurvatureBlock& block, const ParameterSpace& space) {
  auto text = std::to_string(block.rows);
  for (const auto i : block.tensors) text += " " + space.blocks()[static_cast<size_t>(i)].name;
  return text;
}

/// The tensors of a file as blocks of a space.
class Reader {
 public:
  Reader(const SafetensorsFile& file, const ParameterSpace& space) : file_(file), space_(space) {
    for (size_t i = 0; i < space.blocks().size(); ++i) {
      index_[space.blocks()[i].name] = static_cast<int64_t>(i);
    }
  }

  std::vector<CurvatureBlock> blocks() {
    std::vector<CurvatureBlock> found;
    for (const auto& [key, text] : file_.metadata) {
      if (key.rfind(kBlock, 0) == 0) found.push_back(block(key.substr(std::strlen(kBlock)), text));
    }
    if (found.empty()) throw CheckpointError("found no blocks; want a file of curvature");
    for (const auto& [name, i] : index_) {
      if (covered_.count(i) == 0) throw CheckpointError("no block has the parameter " + name);
    }
    return found;
  }

 private:
  CurvatureBlock block(const std::string& name, const std::string& text) {
    std::istringstream words(text);
    CurvatureBlock block = {name, {}, 0, {}, {}, {}};
    words >> block.rows;
    int64_t count = 0;
    for (std::string parameter; words >> parameter;) {
      const auto found = index_.find(parameter);
      if (found == index_.end() || !covered_.insert(found->second).second) {
        throw CheckpointError(fmt::format("block {} has the parameter {}, which the network {}",
                                          name, parameter,
                                          found == index_.end() ? "has not" : "has once"));
      }
      block.tensors.push_back(found->second);
      const auto size = space_.blocks()[static_cast<size_t>(found->second)].count;
      if (block.rows < 1 || size % block.rows != 0) {
        throw CheckpointError(fmt::format("block {}: {} numbers of {} do not lie in {} rows", name,
                                          size, parameter, block.rows));
      }
      count += size;
    }
    block.eigenvalues = tensor(name + kEigenvalues, 2);
    if (!block.eigenvalues.defined() || block.eigenvalues.numel() != count) {
      throw CheckpointError(fmt::format("block {}: want {} eigenvalues", name, count));
    }
    block.left = basis(name + kLeft, block.eigenvalues.size(0));
    block.right = basis(name + kRight, block.eigenvalues.size(1));
    return block;
  }

  torch::Tensor tensor(const std::string& name, int64_t dims) const {
    const auto found = file_.tensors.find(name);
    if (found == file_.tensors.end()) return {};
    if (found->second.dim() != dims || !found->second.is_floating_point()) {
      throw CheckpointError(name + ": want a matrix of floating-point numbers");
    }
    return found->second.to(space_.parameters().front().device());
  }

  torch::Tensor basis(const std::string& name, int64_t size) const {
    const auto found = tensor(name, 2);
    if (found.defined() && (found.size(0) != size || found.size(1) != size)) {
      throw CheckpointError(fmt::format("{}: want {} by {}", name, size, size));
    }
    return found;
  }

  const SafetensorsFile& file_;
  const ParameterSpace& space_;
  std::map<std::string, int64_t> index_;
  std::set<int64_t> covered_;
};

}  // namespace

void write_curvature(const std::string& path, const Curvature& curvature, Metadata about) {
  TensorMap tensors;
  const auto keep = [&](const std::string& name, const torch::Tensor& t) {
    if (t.defined()) tensors[name] = t.to(torch::kFloat32);
  };
  for (const auto& block : curvature.blocks()) {
    keep(block.name + kEigenvalues, block.eigenvalues);
    keep(block.name + kLeft, block.left);
    keep(block.name + kRight, block.right);
    about[kBlock + block.name] = described(block, curvature.space());
  }
  write_safetensors(path, tensors, about);
}

Curvature read_curvature(const std::string& path, const ParameterSpace& space) {
  const auto file = read_safetensors(path);
  try {
    return {space, Reader(file, space).blocks()};
  } catch (const CheckpointError& error) {
    throw CheckpointError(fmt::format("'{}': {}", path, error.what()));
  }
}

}  // namespace halcyon
