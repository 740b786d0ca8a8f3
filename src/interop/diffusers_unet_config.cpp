#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "interop/diffusers_unet.h"

namespace halcyon {
namespace {

using Json = nlohmann::ordered_json;

void require(bool good, const char* key, const std::string& found_and_wanted) {
  if (good) return;
  throw ConfigError(fmt::format("model.unet.{}: {}", key, found_and_wanted));
}

void require_counterparts(const UnetOptions& unet) {
  const char* const kNone = "for what a UNet2DModel of diffusers can be";
  require(unet.patch == 1, "patch", fmt::format("{}, want 1 {}", unet.patch, kNone));
  require(unet.embedding == NoiseEmbeddingKind::sinusoidal, "embedding",
          fmt::format("fourier, want sinusoidal {}", kNone));
  require(unet.channel_mult.front() == 1, "channel_mult",
          fmt::format("begins with {}, want 1 {}", unet.channel_mult.front(), kNone));
  require(unet.middle_norm_groups != 0 || !unet.middle_attention || unet.scale_shift,
          "middle_norm_groups",
          fmt::format("0 without scale_shift, want a norm before the middle attention {}", kNone));
}

/// Channels of a head, one number for all levels; null: one head of all channels.
Json head_channels(const UnetOptions& unet, const std::vector<int64_t>& attended_widths) {
  if (unet.attention_head_channels > 0) return unet.attention_head_channels;
  if (unet.attention_heads == 1 || attended_widths.empty()) return nullptr;
  const auto width = attended_widths.front();
  const bool alike = std::all_of(attended_widths.begin(), attended_widths.end(),
                                 [&](int64_t other) { return other == width; });
  require(alike, "attention_heads",
          fmt::format("{} at levels of unlike widths, want 1, or attention_head_channels: a "
                      "UNet2DModel of diffusers has heads of one width",
                      unet.attention_heads));
  return width / unet.attention_heads;
}

/// As Python writes what it takes for a whole number.
Json shortest(double value) {
  const auto whole = static_cast<int64_t>(value);
  return static_cast<double>(whole) == value ? Json(whole) : Json(value);
}

Json middle_groups(const UnetOptions& unet) {
  if (!unet.middle_attention) return nullptr;
  const auto groups = middle_norm_groups(unet);
  const auto by_itself = unet.scale_shift ? 0 : unet.norm_groups;
  return groups == by_itself ? Json(nullptr) : Json(groups);
}

void describe_levels(const DescribedUnet& unet, Json& config) {
  const auto& o = unet.options;
  std::vector<std::string> down, up;
  std::vector<int64_t> widths, attended;
  for (size_t level = 0; level < o.channel_mult.size(); ++level) {
    widths.push_back(level_channels(o, level));
    const bool attention = attends(o, unet.shape, level);
    if (attention) attended.push_back(widths.back());
    const char* const plain_down = o.resample_blocks ? "ResnetDownsampleBlock2D" : "DownBlock2D";
    const char* const plain_up = o.resample_blocks ? "ResnetUpsampleBlock2D" : "UpBlock2D";
    down.push_back(attention ? "AttnDownBlock2D" : plain_down);
    up.insert(up.begin(), attention ? "AttnUpBlock2D" : plain_up);
  }
  if (o.middle_attention) attended.push_back(widths.back());
  config["attention_head_dim"] = head_channels(o, attended);
  config["block_out_channels"] = widths;
  config["down_block_types"] = down;
  config["up_block_types"] = up;
}

}  // namespace

Json diffusers_unet_config(const DescribedUnet& unet) {
  const auto& o = unet.options;
  require_counterparts(o);
  const auto& shape = unet.shape;
  const bool square = shape.height == shape.width;
  const char* const resample = o.resample_blocks ? "resnet" : "conv";
  Json config = {{"_class_name", "UNet2DModel"}, {"_diffusers_version", "0.30.0"}};
  describe_levels(unet, config);
  config["act_fn"] = "silu";
  config["add_attention"] = o.middle_attention;
  config["attn_norm_num_groups"] = middle_groups(o);
  config["center_input_sample"] = o.center_input;
  config["class_embed_type"] = nullptr;
  config["downsample_padding"] = o.downsample_padding;
  config["downsample_type"] = resample;
  config["dropout"] = o.dropout;
  config["flip_sin_to_cos"] = o.cos_first;
  config["freq_shift"] = shortest(o.freq_shift);
  config["in_channels"] = shape.channels;
  config["layers_per_block"] = o.blocks;
  config["mid_block_scale_factor"] = 1;
  config["mid_block_type"] = "UNetMidBlock2D";
  config["norm_eps"] = o.norm_eps;
  config["norm_num_groups"] = o.norm_groups;
  config["num_class_embeds"] = unet.num_classes > 0 ? Json(unet.num_classes) : Json(nullptr);
  config["num_train_timesteps"] = nullptr;
  config["out_channels"] = shape.channels;
  config["resnet_time_scale_shift"] = o.scale_shift ? "scale_shift" : "default";
  config["sample_size"] =
      square ? Json(shape.height) : Json(std::vector<int64_t>{shape.height, shape.width});
  config["time_embedding_dim"] = o.embedding_width > 0 ? Json(o.embedding_width) : Json(nullptr);
  config["time_embedding_type"] = "positional";
  config["upsample_type"] = resample;
  return config;
}

}  // namespace halcyon
