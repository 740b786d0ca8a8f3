#pragma once

#include <string>
#include <vector>

namespace halcyon {

/// What diffusers' UNet2DModel calls the parameter that our Unet calls `name`: first as it does
/// now, then as its older versions did where that is another name.  skip_blocks: its levels are of
/// the types SkipDownBlock2D, SkipUpBlock2D and these with attention.
std::vector<std::string> diffusers_names(const std::string& name, bool skip_blocks = false);

}  // namespace halcyon
