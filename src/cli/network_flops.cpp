#include "cli/network_flops.h"

#include <string_view>

#include "core/torch.h"

namespace halcyon {
namespace {

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// How many times height and width have been halved where the U-Net's parameter acts.
int64_t unet_level(const std::string& name, int64_t levels) {
  const auto number_after = [&](size_t start) { return std::stoll(name.substr(start)); };
  if (name.rfind("mid.", 0) == 0) return levels - 1;
  if (name.rfind("down.", 0) == 0) {
    return number_after(5) + (contains(name, ".downsample.") ? 1 : 0);
  }
  if (name.rfind("up.", 0) == 0) {
    return levels - 1 - number_after(3) - (contains(name, ".upsample.") ? 1 : 0);
  }
  return 0;
}

bool acts_once_an_image(const std::string& name) {
  return name.rfind("embedding.", 0) == 0 || contains(name, ".embed.");
}

/// Of the product with a weight, and of the attention weights where it makes the queries.
double unet_flops(const std::string& name, const torch::Tensor& weight, const UnetOptions& options,
                  const ImageShape& shape) {
  const auto level = unet_level(name, static_cast<int64_t>(options.channel_mult.size()));
  const int64_t side = options.patch << level;
  const auto pixels = static_cast<double>((shape.height / side) * (shape.width / side));
  double flops = 2 * static_cast<double>(weight.numel());
  if (!acts_once_an_image(name)) flops *= pixels;
  if (contains(name, ".query.")) {
    flops += 4 * pixels * pixels * static_cast<double>(weight.size(0));  // q k^T and its use on v
  }
  return flops;
}

}  // namespace

double forward_flops(const torch::nn::Module& network, const ModelOptions& options,
                     const ImageShape& shape) {
  double flops = 0;
  for (const auto& item : network.named_parameters()) {
    const auto& weight = item.value();
    if (weight.dim() < 2 || contains(item.key(), "class_table")) continue;
    flops += options.name == "unet" ? unet_flops(item.key(), weight, options.unet, shape)
                                    : 2 * static_cast<double>(weight.numel());
  }
  return flops;
}

}  // namespace halcyon
