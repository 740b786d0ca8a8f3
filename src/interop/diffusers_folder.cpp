#include "interop/diffusers_folder.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "interop/foreign_weights.h"
#include "io/atomic_file.h"

namespace halcyon {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

Json read_object(const fs::path& path) {
  auto object = Json::parse(read_file(path.string()), nullptr, /*allow_exceptions=*/false);
  if (object.is_object()) return object;
  throw CheckpointError(fmt::format("{}: want a JSON object", path.string()));
}

/// Of a pipeline nothing but a UNet2DModel and a scheduler is known here: with a third part, as a
/// decoder of latents or a text encoder, its images are not the network's.
void check_pipeline(const fs::path& index) {
  if (!is_file(index)) return;
  const auto parts = read_object(index);
  for (const auto& [part, value] : parts.items()) {
    const bool component = value.is_array() && value.size() == 2 && value[1].is_string();
    if (!component || part == "scheduler") continue;
    const auto type = value[1].get<std::string>();
    if (part == "unet" && type == "UNet2DModel") continue;
    throw CheckpointError(
        fmt::format("{}: {} is {}: want a pipeline of a UNet2DModel, unet, and a scheduler",
                    index.string(), part, value.dump()));
  }
}

std::vector<std::string> sharded(const fs::path& index) {
  const auto object = read_object(index);
  const auto map = object.find("weight_map");
  if (map == object.end() || !map->is_object() || map->empty()) {
    throw CheckpointError(fmt::format("{}: weight_map: want an object of files", index.string()));
  }
  std::set<std::string> names;
  for (const auto& [tensor, file] : map->items()) {
    const auto name = file.is_string() ? fs::path(file.get<std::string>()) : fs::path();
    if (name.empty() || name != name.filename() || name == "..") {
      throw CheckpointError(fmt::format("{}: weight_map: {}: want the name of a file beside it",
                                        index.string(), file.dump()));
    }
    names.insert((index.parent_path() / name).string());
  }
  return {names.begin(), names.end()};
}

std::vector<std::string> find_weights(const fs::path& folder) {
  const std::string stem = "diffusion_pytorch_model";
  const auto index = folder / (stem + ".safetensors.index.json");
  if (is_file(index)) return sharded(index);
  for (const auto* ending : {".safetensors", ".fp16.safetensors"}) {
    const auto file = folder / (stem + ending);
    if (is_file(file)) return {file.string()};
  }
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    if (is_file(entry.path())) refuse_pickle(entry.path().string());
  }
  throw CheckpointError(
      fmt::format("{}: want {}.safetensors or its shards there", folder.string(), stem));
}

std::string find_scheduler(const fs::path& folder) {
  for (const auto* name :
       {"scheduler/scheduler_config.json", "scheduler/config.json", "scheduler_config.json"}) {
    if (is_file(folder / name)) return (folder / name).string();
  }
  return "";
}

}  // namespace

DiffusersFolder find_diffusers_folder(const std::string& folder) {
  std::error_code error;
  const fs::path root = folder;
  if (!fs::is_directory(root, error)) {
    refuse_pickle(folder);
    throw CheckpointError(fmt::format("{}: {}; want a folder of diffusers", folder,
                                      error ? error.message() : "it is no folder"));
  }
  check_pipeline(root / "model_index.json");
  const auto unet = is_file(root / "unet/config.json") ? root / "unet" : root;
  if (!is_file(unet / "config.json")) {
    throw CheckpointError(
        fmt::format("{}: want a diffusers pipeline, with unet/config.json, or a UNet2DModel, with "
                    "config.json",
                    folder));
  }
  return {(unet / "config.json").string(), find_scheduler(root), find_weights(unet)};
}

}  // namespace halcyon
