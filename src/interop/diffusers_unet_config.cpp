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

const char* const kNone = "for what a UNet2DModel of diffusers can be";

/// All that makes skip blocks, or none of it.
void require_one_family(const UnetOptions& unet) {
  const bool skip = has_skip_blocks(unet);
  const char* const with = skip ? "with input_skip" : "without input_skip";
  const auto alike = [&](bool found, const char* key) {
    require(found == skip, key, fmt::format("{}, want {} {}, {}", found, skip, with, kNone));
  };
  alike(unet.output_skip, "output_skip");
  alike(unet.fir, "fir");
  alike(unet.skip_rescale, "skip_rescale");
  const bool attention = !unet.attention_levels.empty() || !unet.attention_resolutions.empty();
  if (attention) alike(unet.attention_up_once, "attention_up_once");
  const auto groups = unet.level_norm_groups < 0 ? unet.norm_groups : unet.level_norm_groups;
  require(groups == (skip ? 0 : unet.norm_groups), "level_norm_groups",
          fmt::format("{}, want {} {}, {}", unet.level_norm_groups, skip ? 0 : -1, with, kNone));
  require(skip || unet.norm_groups > 0, "norm_groups",
          fmt::format("0, want a number > 0 {}, {}", with, kNone));
}

void require_attention_groups(const DescribedUnet& unet) {
  const auto& o = unet.options;
  for (size_t level = 0; level < o.channel_mult.size(); ++level) {
    if (!attends(o, unet.shape, level)) continue;
    const auto wanted = has_skip_blocks(o) ? 32 : o.norm_groups;
    require(attention_norm_groups(o, level_channels(o, level)) == wanted, "attention_norm_groups",
            fmt::format("{}, want {} {}", o.attention_norm_groups, wanted, kNone));
  }
}

void require_embedding(const UnetOptions& unet) {
  using Kind = NoiseEmbeddingKind;
  require(unet.embedding != Kind::fourier, "embedding",
          fmt::format("fourier, want sinusoidal or gaussian_fourier {}", kNone));
  const bool fourier = unet.embedding == Kind::gaussian_fourier;
  require(!fourier || !unet.cos_first, "cos_first",
          fmt::format("true, want false with embedding = gaussian_fourier {}", kNone));
  require(!fourier || !unet.center_input, "center_input",
          fmt::format("true, want false with embedding = gaussian_fourier {}", kNone));
  require(fourier || !unet.unit_input, "unit_input",
          fmt::format("true, want false with embedding = sinusoidal {}", kNone));
}

void require_counterparts(const DescribedUnet& described) {
  const auto& unet = described.options;
  require_one_family(unet);
  require_attention_groups(described);
  require_embedding(unet);
  require(!unet.input_skip || described.shape.channels == 3, "input_skip",
          fmt::format("true on images of {} channels, want 3 {}", described.shape.channels, kNone));
  require(unet.patch == 1, "patch", fmt::format("{}, want 1 {}", unet.patch, kNone));
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
  const auto last = level_channels(unet, unet.channel_mult.size() - 1);
  const auto by_itself = unet.scale_shift ? 0 : norm_groups(unet, last);
  return groups == by_itself ? Json(nullptr) : Json(groups);
}

/// Of a level, down and up.
std::pair<const char*, const char*> block_types(const UnetOptions& unet, bool attention) {
  if (has_skip_blocks(unet)) {
    if (attention) return {"AttnSkipDownBlock2D", "AttnSkipUpBlock2D"};
    return {"SkipDownBlock2D", "SkipUpBlock2D"};
  }
  if (attention) return {"AttnDownBlock2D", "AttnUpBlock2D"};
  if (unet.resample_blocks) return {"ResnetDownsampleBlock2D", "ResnetUpsampleBlock2D"};
  return {"DownBlock2D", "UpBlock2D"};
}

void describe_levels(const DescribedUnet& unet, Json& config) {
  const auto& o = unet.options;
  std::vector<std::string> down, up;
  std::vector<int64_t> widths, attended;
  for (size_t level = 0; level < o.channel_mult.size(); ++level) {
    widths.push_back(level_channels(o, level));
    const bool attention = attends(o, unet.shape, level);
    if (attention) attended.push_back(widths.back());
    const auto [down_type, up_type] = block_types(o, attention);
    down.emplace_back(down_type);
    up.emplace(up.begin(), up_type);
  }
  if (o.middle_attention) attended.push_back(widths.back());
  config["attention_head_dim"] = head_channels(o, attended);
  config["block_out_channels"] = widths;
  config["down_block_types"] = down;
  config["up_block_types"] = up;
}

}  // namespace

bool has_skip_blocks(const UnetOptions& unet) { return unet.input_skip; }

Json diffusers_unet_config(const DescribedUnet& unet) {
  const auto& o = unet.options;
  require_counterparts(unet);
  const auto& shape = unet.shape;
  const bool square = shape.height == shape.width;
  const bool fourier = o.embedding == NoiseEmbeddingKind::gaussian_fourier;
  const char* const resample = o.resample_blocks && !has_skip_blocks(o) ? "resnet" : "conv";
  Json config = {{"_class_name", "UNet2DModel"}, {"_diffusers_version", "0.30.0"}};
  describe_levels(unet, config);
  config["act_fn"] = "silu";
  config["add_attention"] = o.middle_attention;
  config["attn_norm_num_groups"] = middle_groups(o);
  config["center_input_sample"] = fourier ? !o.unit_input : o.center_input;
  config["class_embed_type"] = nullptr;
  config["downsample_padding"] = o.downsample_padding;
  config["downsample_type"] = resample;
  config["dropout"] = o.dropout;
  config["flip_sin_to_cos"] = o.cos_first;
  config["freq_shift"] = shortest(o.freq_shift);
  config["in_channels"] = shape.channels;
  config["layers_per_block"] = o.blocks;
  config["mid_block_scale_factor"] = shortest(middle_rescale(o));
  config["mid_block_type"] = "UNetMidBlock2D";
  config["norm_eps"] = o.norm_eps;
  config["norm_num_groups"] = o.norm_groups > 0 ? Json(o.norm_groups) : Json(nullptr);
  config["num_class_embeds"] = unet.num_classes > 0 ? Json(unet.num_classes) : Json(nullptr);
  config["num_train_timesteps"] = nullptr;
  config["out_channels"] = shape.channels;
  config["resnet_time_scale_shift"] = o.scale_shift ? "scale_shift" : "default";
  config["sample_size"] =
      square ? Json(shape.height) : Json(std::vector<int64_t>{shape.height, shape.width});
  config["time_embedding_dim"] = o.embedding_width > 0 ? Json(o.embedding_width) : Json(nullptr);
  config["time_embedding_type"] = fourier ? "fourier" : "positional";
  config["upsample_type"] = resample;
  return config;
}

}  // namespace halcyon
