#include "interop/name_map.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "core/error.h"
#include "core/registry.h"
#include "core/torch.h"

namespace halcyon {
namespace {

constexpr const char* kLeftOut = "-";
constexpr const char* kClassTable = "embedding.class_table.weight";
constexpr size_t kMostListed = 20;

std::vector<std::string> words(std::string line) {
  line.resize(std::min(line.find('#'), line.size()));
  std::replace(line.begin(), line.end(), ',', ' ');
  std::istringstream in(line);
  std::vector<std::string> found;
  for (std::string word; in >> word;) found.push_back(word);
  return found;
}

std::vector<std::string> names_of(const TensorMap& tensors) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors) names.push_back(name);
  return names;
}

std::string shape_text(const torch::Tensor& tensor) {
  return fmt::format("[{}]", fmt::join(tensor.sizes().vec(), ", "));
}

std::vector<int64_t> wide_sizes(const torch::Tensor& tensor) {
  std::vector<int64_t> sizes;
  for (const auto size : tensor.sizes()) {
    if (size != 1) sizes.push_back(size);
  }
  return sizes;
}

bool fits(const std::string& name, const torch::Tensor& own, const torch::Tensor& found) {
  if (!found.is_floating_point()) return false;
  if (wide_sizes(own) == wide_sizes(found)) return true;
  return name == kClassTable && found.dim() == 2 && found.size(0) + 1 == own.size(0) &&
         found.size(1) == own.size(1);
}

/// A heading and lines, the first few of them.
std::string listing(const char* heading, const std::vector<std::string>& lines) {
  if (lines.empty()) return "";
  auto text = fmt::format("\n{} ({}):", heading, lines.size());
  for (size_t i = 0; i < std::min(lines.size(), kMostListed); ++i) text += "\n  " + lines[i];
  if (lines.size() > kMostListed) text += "\n  ...";
  return text;
}

std::vector<std::string> candidates(const NameMap& map, const std::string& name) {
  const auto found = map.names.find(name);
  return found == map.names.end() ? std::vector<std::string>{name} : found->second;
}

}  // namespace

NameMap read_name_map(const std::string& text, const std::string& origin, const TensorMap& own) {
  NameMap map;
  std::set<std::string> seen;
  std::istringstream in(text);
  int64_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    const auto pair = words(line);
    if (pair.empty()) continue;
    const auto refuse = [&](const std::string& reason) {
      throw CheckpointError(fmt::format("{}, line {}: {}", origin, number, reason));
    };
    if (pair.size() != 2) {
      refuse(fmt::format("want the name in the file and ours, got {} words", pair.size()));
    }
    if (!seen.insert(pair[0]).second) refuse(fmt::format("'{}' is named twice", pair[0]));
    if (pair[1] == kLeftOut) {
      map.left_out.push_back(pair[0]);
      continue;
    }
    if (own.count(pair[1]) == 0) {
      refuse(fmt::format("the network has no '{}'; did you mean '{}'?", pair[1],
                         nearest_name(pair[1], names_of(own))));
    }
    if (!map.names.emplace(pair[1], std::vector<std::string>{pair[0]}).second) {
      refuse(fmt::format("'{}' is filled twice", pair[1]));
    }
  }
  return map;
}

std::map<std::string, std::string> match_names(const TensorMap& own, const TensorMap& found,
                                               const NameMap& map) {
  std::map<std::string, std::string> matches;
  std::vector<std::string> missing, left_over, misshapen;
  std::set<std::string> used(map.left_out.begin(), map.left_out.end());
  for (const auto& [name, tensor] : own) {
    const auto wanted = candidates(map, name);
    const auto there = std::find_if(wanted.begin(), wanted.end(),
                                    [&](const auto& theirs) { return found.count(theirs) > 0; });
    if (there == wanted.end()) {
      missing.push_back(fmt::format("{} {} (for {})", wanted.front(), shape_text(tensor), name));
      continue;
    }
    used.insert(*there);
    matches[name] = *there;
    const auto& other = found.at(*there);
    if (!fits(name, tensor, other)) {
      misshapen.push_back(fmt::format("{}: want {} (for {}), got {} {}", *there, shape_text(tensor),
                                      name, shape_text(other), c10::toString(other.scalar_type())));
    }
  }
  for (const auto& [name, tensor] : found) {
    if (used.count(name) == 0) left_over.push_back(name + " " + shape_text(tensor));
  }
  if (missing.empty() && left_over.empty() && misshapen.empty()) return matches;
  throw CheckpointError("the tensors of the file are not those of the network" +
                        listing("missing", missing) + listing("left over", left_over) +
                        listing("misshapen", misshapen));
}

}  // namespace halcyon
