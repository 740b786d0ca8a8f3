#include "interop/foreign_weights.h"

#include <fmt/format.h>

#include <filesystem>
#include <set>

#include "core/error.h"
#include "core/torch.h"

namespace halcyon {

ForeignWeights::ForeignWeights(const std::vector<std::string>& files) {
  TORCH_CHECK(!files.empty(), "no files");
  for (const auto& file : files) {
    readers_.emplace_back(file);
    for (const auto& [name, tensor] : readers_.back().layout()) {
      layout_[name] = tensor;
      if (!file_of_.emplace(name, readers_.size() - 1).second) {
        throw CheckpointError(
            fmt::format("{}: tensor '{}' is in another file of the checkpoint too", file, name));
      }
    }
  }
}

void ForeignWeights::read(const std::string& name, const torch::Tensor& into) const {
  const auto& there = layout_.at(name);
  auto found = torch::empty(there.sizes(), there.scalar_type());
  readers_[file_of_.at(name)].read(name, found);
  if (found.numel() < into.numel()) {  // the table of classes, without its last row
    into.zero_();
    into.narrow(0, 0, found.size(0)).copy_(found);
    return;
  }
  into.copy_(found.view(into.sizes()));
}

void ForeignWeights::fill(const TensorMap& own, const NameMap& names) const {
  const torch::NoGradGuard no_grad;
  for (const auto& [name, theirs] : match_names(own, layout_, names)) read(theirs, own.at(name));
}

void refuse_pickle(const std::string& file) {
  static const std::set<std::string> endings = {".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle"};
  const std::filesystem::path path = file;
  if (endings.count(path.extension().string()) == 0) return;
  auto converted = path;
  converted.replace_extension(".safetensors");
  throw CheckpointError(fmt::format(
      "{}: it is a pickle, as torch.save writes; pickles can run code and are never read.  Convert "
      "it with Python:\n  python3 -c 'import torch, safetensors.torch as s; "
      "s.save_file({{k: v.contiguous() for k, v in torch.load(\"{}\", map_location=\"cpu\", "
      "weights_only=True).items()}}, \"{}\", {{\"format\": \"pt\"}})'",
      file, file, converted.string()));
}

}  // namespace halcyon
