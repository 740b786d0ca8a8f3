#pragma once

#include <string>
#include <vector>

namespace halcyon {

/// Where the parts of a diffusers folder are.
struct DiffusersFolder {
  std::string unet;                  ///< its config.json
  std::string scheduler;             ///< its scheduler_config.json; empty: there is none
  std::vector<std::string> weights;  ///< safetensors files
};

/// `folder`: a pipeline (model_index.json, unet/, scheduler/), one whose files lie in one folder,
/// as the first ones do, or a UNet2DModel alone (config.json and its weights).
/// @throws CheckpointError naming what is missing or is none of these; with the line of Python that
/// converts them for weights that are pickles
DiffusersFolder find_diffusers_folder(const std::string& folder);

}  // namespace halcyon
