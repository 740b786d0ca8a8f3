#pragma once

#include <string>
#include <vector>

namespace halcyon {

/// What diffusers' UNet2DModel calls the parameter that our Unet calls `name`: first as it does
/// now, then as its older versions did where that is another name (attention).
std::vector<std::string> diffusers_names(const std::string& name);

}  // namespace halcyon
