#include "interop/diffusers_unet.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "interop/config_reader.h"

namespace halcyon {
namespace {

const char* const kNotOurs = "; our U-Net has no other";

/// Keys whose one value our U-Net can be, by their diffusers defaults.
void require_usual(ConfigReader& config) {
  const auto text = [&](const char* key, const char* usual) {
    config.require(config.text(key, usual) == usual, key, fmt::format("\"{}\"{}", usual, kNotOurs));
  };
  text("_class_name", "UNet2DModel");
  text("mid_block_type", "UNetMidBlock2D");
  // The type "null" is one of its own: no middle at all.
  config.require(!config.names("mid_block_type") || !config.is_null("mid_block_type"),
                 "mid_block_type", "\"UNetMidBlock2D\"");
  const auto activation = config.text("act_fn", "silu");
  config.require(activation == "silu" || activation == "swish", "act_fn", "\"silu\"");
  config.require(config.is_null("class_embed_type"), "class_embed_type",
                 "null: classes by a table of num_class_embeds rows");
  config.require(!config.flag("attention_legacy_order", false), "attention_legacy_order", "false");
  config.ignore("class_embed_type");
  config.ignore("num_train_timesteps");  // of time_embedding_type = learned
}

ImageShape read_shape(ConfigReader& config, int64_t size) {
  const auto channels = config.whole("in_channels", 3);
  config.require(config.whole("out_channels", 3) == channels, "out_channels",
                 fmt::format("in_channels, {}: a network that predicts no variance", channels));
  const bool open = config.is_null("sample_size");
  config.require(!open || size > 0, "sample_size", "a side in pixels; say it by --size");
  std::vector<int64_t> sides;
  if (config.is_list("sample_size")) {
    sides = config.wholes("sample_size", {});
  } else {
    sides = {config.whole("sample_size", size)};
  }
  constexpr int64_t kMost = 1 << 14;
  const auto good = [](int64_t side) { return side > 0 && side <= kMost; };
  config.require((sides.size() == 1 || sides.size() == 2) &&
                     std::all_of(sides.begin(), sides.end(), good) && good(channels),
                 "sample_size", "a side in pixels, or height and width");
  return {channels, sides.front(), sides.back()};
}

void read_widths(ConfigReader& config, UnetOptions& unet) {
  const auto widths = config.wholes("block_out_channels", {224, 448, 672, 896});
  config.require(!widths.empty() && widths.front() > 0, "block_out_channels", "at least one, > 0");
  unet.channels = widths.front();
  unet.channel_mult.clear();
  for (const auto width : widths) {
    config.require(width > 0 && width % unet.channels == 0, "block_out_channels",
                   fmt::format("multiples of the first, {}", unet.channels));
    unet.channel_mult.push_back(width / unet.channels);
  }
}

enum class BlockFamily { by_convolution, by_block, skip };

/// A block type: whether its blocks attend, and how it changes resolution.
struct BlockType {
  const char* name;
  bool attends;
  BlockFamily family;
};

const std::vector<BlockType> kDown = {{"DownBlock2D", false, BlockFamily::by_convolution},
                                      {"AttnDownBlock2D", true, BlockFamily::by_convolution},
                                      {"ResnetDownsampleBlock2D", false, BlockFamily::by_block},
                                      {"SkipDownBlock2D", false, BlockFamily::skip},
                                      {"AttnSkipDownBlock2D", true, BlockFamily::skip}};
const std::vector<BlockType> kUp = {{"UpBlock2D", false, BlockFamily::by_convolution},
                                    {"AttnUpBlock2D", true, BlockFamily::by_convolution},
                                    {"ResnetUpsampleBlock2D", false, BlockFamily::by_block},
                                    {"SkipUpBlock2D", false, BlockFamily::skip},
                                    {"AttnSkipUpBlock2D", true, BlockFamily::skip}};

struct Levels {
  std::vector<int64_t> attention;  ///< in ascending order
  std::vector<BlockFamily> families;
};

/// @param attending what AttnDownBlock2D and AttnUpBlock2D are, whose names do not say it.
Levels read_levels(ConfigReader& config, const char* key, const std::vector<BlockType>& types,
                   const std::vector<std::string>& names, BlockFamily attending) {
  std::string known;
  for (const auto& type : types) known += fmt::format("{}{}", known.empty() ? "" : ", ", type.name);
  Levels levels;
  for (size_t i = 0; i < names.size(); ++i) {
    const auto plain = names[i].rfind("UNetRes", 0) == 0 ? names[i].substr(7) : names[i];
    const auto type = std::find_if(types.begin(), types.end(),
                                   [&](const BlockType& entry) { return plain == entry.name; });
    config.require(type != types.end(), key, "each one of " + known);
    if (type->attends) levels.attention.push_back(static_cast<int64_t>(i));
    const bool skip = type->family == BlockFamily::skip;
    levels.families.push_back(type->attends && !skip ? attending : type->family);
  }
  // The last changes no resolution: it may be of either kind, but not a skip block.
  const auto all = static_cast<size_t>(
      std::count(levels.families.begin(), levels.families.end(), BlockFamily::skip));
  config.require(all == 0 || all == names.size(), key,
                 "all or none of the types with Skip, of " + known);
  if (all == 0) {
    levels.families.back() =
        names.size() > 1 ? levels.families.front() : BlockFamily::by_convolution;
  }
  return levels;
}

BlockFamily read_type(ConfigReader& config, const char* key) {
  const auto type = config.text(key, "conv");
  config.require(type == "conv" || type == "resnet", key, "\"conv\" or \"resnet\"");
  return type == "resnet" ? BlockFamily::by_block : BlockFamily::by_convolution;
}

/// What a U-Net of skip blocks is beside the keys of its config: NCSN++ (Song et al. 2021).
void describe_skip_blocks(ConfigReader& config, UnetOptions& unet) {
  unet.resample_blocks = unet.fir = unet.skip_rescale = true;
  unet.input_skip = unet.output_skip = unet.attention_up_once = true;
  unet.level_norm_groups = 0;
  unet.attention_norm_groups = 32;
  config.require(config.whole("in_channels", 3) == 3, "in_channels",
                 "3, as the convolutions of skip blocks have");
  for (const auto level : unet.attention_levels) {
    const auto at = static_cast<size_t>(level);
    const auto width = level_channels(unet, at);
    config.require(width % 32 == 0, "block_out_channels",
                   fmt::format("a multiple of 32 at level {}, which attends: AttnSkipDownBlock2D "
                               "has 32 groups",
                               level));
    const auto below = at + 1 < unet.channel_mult.size() ? level_channels(unet, at + 1) : width;
    config.require(below + width / 4 >= 32, "block_out_channels",
                   fmt::format("more channels below level {}: AttnSkipUpBlock2D is to have 32 "
                               "groups",
                               level));
  }
}

void read_blocks(ConfigReader& config, UnetOptions& unet) {
  const auto depth = unet.channel_mult.size();
  const auto down_types = config.texts(
      "down_block_types", {"DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"});
  auto up_types = config.texts("up_block_types",
                               {"AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"});
  const auto wanted = fmt::format("{}, one for each of block_out_channels", depth);
  config.require(down_types.size() == depth, "down_block_types", wanted);
  config.require(up_types.size() == depth, "up_block_types", wanted);
  const auto down = read_levels(config, "down_block_types", kDown, down_types,
                                read_type(config, "downsample_type"));
  const auto up =
      read_levels(config, "up_block_types", kUp, up_types, read_type(config, "upsample_type"));
  auto mirrored = up.attention;
  for (auto& level : mirrored) level = static_cast<int64_t>(depth) - 1 - level;
  std::sort(mirrored.begin(), mirrored.end());
  config.require(mirrored == down.attention, "up_block_types",
                 "attention at the levels of down_block_types, in the opposite order");
  unet.attention_levels = down.attention;
  auto families = down.families;
  families.insert(families.end(), up.families.begin(), up.families.end());
  const auto family = families.front();
  config.require(
      std::all_of(families.begin(), families.end(), [&](auto other) { return other == family; }),
      "down_block_types",
      "levels that all change resolution alike, up and down: by convolutions, by residual blocks "
      "(downsample_type and upsample_type say it of attending levels) or as skip blocks do");
  unet.resample_blocks = family == BlockFamily::by_block;
  if (family == BlockFamily::skip) describe_skip_blocks(config, unet);
}

void read_attention(ConfigReader& config, UnetOptions& unet) {
  unet.attention_resolutions.clear();
  unet.attention_heads = 1;
  // null: one head of all channels.
  const bool whole = config.names("attention_head_dim") && config.is_null("attention_head_dim");
  const auto head = config.whole("attention_head_dim", 8);
  config.require(head > 0, "attention_head_dim", "null or a number of channels > 0");
  unet.attention_head_channels = whole ? 0 : head;
  unet.middle_attention = config.flag("add_attention", true);
  auto attending = unet.attention_levels;
  if (unet.middle_attention)
    attending.push_back(static_cast<int64_t>(unet.channel_mult.size()) - 1);
  for (const auto level : attending) {
    const auto channels = level_channels(unet, static_cast<size_t>(level));
    config.require(whole || channels % head == 0, "attention_head_dim",
                   fmt::format("a divisor of the {} channels of level {}", channels, level));
  }
  const auto groups = config.whole("attn_norm_num_groups", unet.scale_shift ? 0 : -1);
  config.require(groups != 0 || config.is_null("attn_norm_num_groups"), "attn_norm_num_groups",
                 "null or a number > 0");
  unet.middle_norm_groups = groups;
}

void read_embedding(ConfigReader& config, UnetOptions& unet) {
  unet.embedding_width = config.whole("time_embedding_dim", 0);
  unet.freq_shift = config.number("freq_shift", 0);
  unet.cos_first = config.flag("flip_sin_to_cos", true);
  unet.center_input = config.flag("center_input_sample", false);
  const auto type = config.text("time_embedding_type", "positional");
  config.require(type == "positional" || type == "fourier", "time_embedding_type",
                 "\"positional\" or \"fourier\"");
  if (type == "positional") return;
  unet.embedding = NoiseEmbeddingKind::gaussian_fourier;
  unet.cos_first = false;  // whatever the key says
  // Its images are in [0, 1], ours in [-1, 1].
  unet.unit_input = !unet.center_input;
  unet.center_input = false;
}

UnetOptions read_options(ConfigReader& config) {
  UnetOptions unet;
  read_widths(config, unet);
  unet.blocks = config.whole("layers_per_block", 2);
  unet.dropout = config.number("dropout", 0);
  const bool no_groups = config.names("norm_num_groups") && config.is_null("norm_num_groups");
  unet.norm_groups = no_groups ? 0 : config.whole("norm_num_groups", 32);
  config.require(no_groups || unet.norm_groups > 0, "norm_num_groups", "a number of groups > 0");
  unet.norm_eps = config.number("norm_eps", 1e-5);
  unet.downsample_padding = config.whole("downsample_padding", 1);
  config.require(unet.downsample_padding == 0 || unet.downsample_padding == 1, "downsample_padding",
                 "0 or 1");
  const auto norm = config.text("resnet_time_scale_shift", "default");
  config.require(norm == "default" || norm == "scale_shift", "resnet_time_scale_shift",
                 "\"default\" or \"scale_shift\"");
  unet.scale_shift = norm == "scale_shift";
  read_blocks(config, unet);
  config.require(!no_groups || unet.input_skip, "norm_num_groups", "a number of groups");
  const auto rescale = config.number("mid_block_scale_factor", 1);
  config.require(rescale > 0 && std::isfinite(rescale), "mid_block_scale_factor", "a number > 0");
  unet.middle_rescale = rescale == skip_rescale(unet) ? 0 : rescale;
  read_attention(config, unet);
  read_embedding(config, unet);
  return unet;
}

/// Of averaged weights beside those in training, and of no effect on what is computed.
void ignore_averaging(ConfigReader& config) {
  for (const auto* key : {"decay", "inv_gamma", "min_decay", "optimization_step", "power",
                          "update_after_step", "use_ema_warmup"}) {
    config.ignore(key);
  }
}

}  // namespace

DescribedUnet read_diffusers_unet(const std::string& text, const std::string& file, int64_t size) {
  ConfigReader config(text, file);
  require_usual(config);
  const auto shape = read_shape(config, size);
  DescribedUnet unet{read_options(config), shape, config.whole("num_class_embeds", 0)};
  constexpr int64_t kMostClasses = int64_t{1} << 40;
  config.require(unet.num_classes >= 0 && unet.num_classes < kMostClasses, "num_class_embeds",
                 "null or a number of classes");
  ignore_averaging(config);
  const auto unread = config.unread();
  if (!unread.empty()) {
    config.refuse(unread.front(), "no such key: what it does to the network is not known here");
  }
  try {
    check_options(unet.options, unet.shape);
  } catch (const ConfigError& error) {
    throw CheckpointError(fmt::format("{}: {}", file, error.what()));
  }
  return unet;
}

}  // namespace halcyon
