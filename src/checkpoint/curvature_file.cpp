#include "checkpoint/curvature_file.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <sstream>

#include "core/error.h"
#include "core/torch.h"

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
    if (!(words >> block.rows) || block.rows < 1) {
      throw CheckpointError(
          fmt::format("block {}: want a number of rows > 0, got '{}'", name, text));
    }
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
      if (size % block.rows != 0) {
        throw CheckpointError(fmt::format("block {}: {} numbers of {} do not lie in {} rows", name,
                                          size, parameter, block.rows));
      }
      count += size;
    }
    if (count == 0) throw CheckpointError(fmt::format("block {}: want parameters in it", name));
    block.eigenvalues = tensor(name + kEigenvalues, 2);
    require_eigenvalues(block, count);
    block.left = basis(name + kLeft, block.eigenvalues.size(0));
    block.right = basis(name + kRight, block.eigenvalues.size(1));
    return block;
  }

  /// One for each number of the parameters, laid out as they are or in one column.
  void require_eigenvalues(const CurvatureBlock& block, int64_t count) const {
    const auto& e = block.eigenvalues;
    const bool fit = e.defined() && e.numel() == count &&
                     (e.size(0) == block.rows || (e.size(0) == count && e.size(1) == 1));
    if (!fit) {
      throw CheckpointError(
          fmt::format("block {}: want {} eigenvalues in {} rows, or in one column", block.name,
                      count, block.rows));
    }
    if (!(e >= 0).logical_and(e.isfinite()).all().item<bool>()) {
      throw CheckpointError(fmt::format("block {}: want finite eigenvalues >= 0", block.name));
    }
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

void require_fitted_to(const std::string& path, const Metadata& about,
                       const std::string& fingerprint) {
  const auto found = about.find(kFittedTo);
  if (found == about.end()) return;
  const double there = std::strtod(found->second.c_str(), nullptr);
  const double here = std::strtod(fingerprint.c_str(), nullptr);
  if (std::abs(there - here) <= 1e-9 * std::abs(here)) return;  // sums in another order
  const auto source = about.find("source");
  throw CheckpointError(
      fmt::format("'{}': the curvature of other weights{}; want that of this network", path,
                  source == about.end() ? "" : fmt::format(", of '{}'", source->second)));
}

Curvature read_curvature(const std::string& path, const ParameterSpace& space) {
  const auto file = read_safetensors(path);
  try {
    Curvature found(space, Reader(file, space).blocks());
    if (!(found.trace() > 0)) throw CheckpointError("want a Fisher matrix that is not 0");
    return found;
  } catch (const CheckpointError& error) {
    throw CheckpointError(fmt::format("'{}': {}", path, error.what()));
  }
}

}  // namespace halcyon
