#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "core/denoiser.h"

namespace halcyon {

/// The images whose maps are made.
struct MapPanel {
  torch::Tensor x0;                ///< [N, C, H, W] in model units
  std::vector<std::string> names;  ///< of the images, or of their classes: [N], or empty
};

struct MapSettings {
  std::vector<double> levels = {0.05, 0.1, 0.2, 0.5, 1, 2, 5};  ///< rising noise levels, >= 2
  int64_t draws = 128;                                          ///< of the noise, for each level
  uint64_t seed = 0;  ///< chooses noise and probes: equal for models to be compared
};

/// Measures the maps of fisher/fisher_maps.h and writes into the folder, which must exist,
///
///     sigma_%.4f.safetensors   a file a level, tensors fisher, fisher_obs, error,
///                              posterior_variance, sensitivity and class, and each as NAME_se
///     information.safetensors  x0, nll and class_information with their _se: nats per pixel
///     NAME.png                 of each map, images down and noise levels across
///     attention.png            nll (bottom-up) and class information (top-down) over the images
///
/// float32 [N, C, H, W]; maps that were there before are removed.  All that is of classes only with
/// `conditional`, which knows the class of each image.  `on_level` is called with the number of
/// levels done.  @throws ConfigError for settings out of range, FileError
void write_fisher_maps(const std::string& folder, Denoiser& denoiser, Denoiser* conditional,
                       const MapPanel& panel, const MapSettings& settings,
                       const std::function<void(int64_t)>& on_level);

/// The denoiser of a model that knows the labels [N] of N images, to go with `model.denoiser`,
/// which knows none.  Null where there are no two such: a toy, a model without classes, or one that
/// never saw images without their label (training.label_dropout = 0).  Lives no longer than the
/// model.
/// @throws DataError for labels that the model does not have.
std::unique_ptr<Denoiser> conditional_denoiser(const Model& model, const torch::Tensor& labels);

}  // namespace halcyon
