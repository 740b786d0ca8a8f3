#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "models/unet_options.h"

namespace halcyon {

/// A U-Net as another program describes it.
struct DescribedUnet {
  UnetOptions options;
  ImageShape shape;
  int64_t num_classes;  ///< 0: unconditional
};

/// Whether the levels are of the types SkipDownBlock2D, SkipUpBlock2D and these with attention.
bool has_skip_blocks(const UnetOptions& unet);

/// What the config.json of a diffusers UNet2DModel describes.  Keys that it leaves out, as those of
/// older versions do, have diffusers' defaults.  `size` is the height and width where sample_size
/// is null; 0: none is known.  With Fourier features of the noise level, which diffusers takes from
/// ln sigma, our network is told ln sigma, sees images in [-1, 1] where theirs are in [0, 1], and
/// gives what diffusers divides by sigma: F of the process ve and the prediction `score`.
/// @throws CheckpointError naming `file`, the key, its value and what is wanted, for all that our
/// U-Net cannot be.
DescribedUnet read_diffusers_unet(const std::string& config, const std::string& file, int64_t size);

/// The config.json of a UNet2DModel that computes what our U-Net does.
/// @throws ConfigError naming the key under model.unet for what a UNet2DModel cannot be.
nlohmann::ordered_json diffusers_unet_config(const DescribedUnet& unet);

}  // namespace halcyon
