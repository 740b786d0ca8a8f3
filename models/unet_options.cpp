#include "models/unet_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "core/error.h"

namespace halcyon {
namespace {

constexpr int64_t kMost = 1 << 15;  // far above any use, far below overflow

void require(bool good, const char* key, const std::string& found_and_wanted) {
  if (!good) throw ConfigError(fmt::format("model.unet.{}: {}", key, found_and_wanted));
}

void require_positive(int64_t value, const char* key) {
  require(value > 0, key, fmt::format("{}, must be positive", value));
}

void check_levels(const UnetOptions& o) {
  require(o.channels > 0 && o.channels % 2 == 0 && o.channels <= kMost, "channels",
          fmt::format("{}, must be even and in 2 .. {}", o.channels, kMost));
  require(!o.channel_mult.empty() && o.channel_mult.size() <= 16, "channel_mult",
          fmt::format("{} levels, must be 1 to 16", o.channel_mult.size()));
  for (const auto mult : o.channel_mult) {
    require(mult > 0 && mult <= kMost, "channel_mult",
            fmt::format("{}, must be in 1 .. {}", mult, kMost));
  }
  const auto levels = static_cast<int64_t>(o.channel_mult.size());
  for (const auto level : o.attention_levels) {
    require(level >= 0 && level < levels, "attention_levels",
            fmt::format("{}, must be in 0 .. {}", level, levels - 1));
  }
  require(o.blocks > 0 && o.blocks <= 64, "blocks",
          fmt::format("{}, must be in 1 .. 64", o.blocks));
}

void check_ranges(const UnetOptions& o) {
  check_levels(o);
  require_positive(o.attention_heads, "attention_heads");
  require(o.attention_head_channels >= 0, "attention_head_channels",
          fmt::format("{}, must not be negative", o.attention_head_channels));
  require(o.middle_norm_groups >= -1, "middle_norm_groups",
          fmt::format("{}, must be -1, 0 or positive", o.middle_norm_groups));
  require(o.dropout >= 0 && o.dropout < 1, "dropout",
          fmt::format("{}, must be in [0, 1)", o.dropout));
  require(2 * o.freq_shift < static_cast<double>(o.channels), "freq_shift",
          fmt::format("{}, must be below channels / 2 = {}", o.freq_shift, o.channels / 2));
  require(o.embedding_width >= 0 && o.embedding_width <= kMost, "embedding_width",
          fmt::format("{}, must be in 0 .. {}", o.embedding_width, kMost));
  require(o.norm_groups >= 0, "norm_groups",
          fmt::format("{}, must be 0 or positive", o.norm_groups));
  require(o.level_norm_groups >= -1, "level_norm_groups",
          fmt::format("{}, must be -1, 0 or positive", o.level_norm_groups));
  require(o.attention_norm_groups >= -1, "attention_norm_groups",
          fmt::format("{}, must be -1, 0 or positive", o.attention_norm_groups));
  require(o.norm_eps > 0, "norm_eps", fmt::format("{}, must be positive", o.norm_eps));
  require(o.patch > 0 && o.patch <= kMost, "patch",
          fmt::format("{}, must be in 1 .. {}", o.patch, kMost));
  require(o.downsample_padding == 0 || o.downsample_padding == 1, "downsample_padding",
          fmt::format("{}, must be 0 or 1", o.downsample_padding));
  require(o.middle_rescale >= 0 && std::isfinite(o.middle_rescale), "middle_rescale",
          fmt::format("{}, must be 0 or positive", o.middle_rescale));
  require(!o.fir || o.resample_blocks, "fir", "true, wants resample_blocks");
  require(!o.unit_input || !o.center_input, "unit_input", "true, wants center_input = false");
}

int64_t groups_by(int64_t groups, int64_t channels) {
  return groups > 0 ? groups : std::clamp<int64_t>(channels / 4, 1, 32);
}

/// Channels of the maps of a level that are normalised: its own, and those that come to its blocks.
std::set<int64_t> normalised_widths(const UnetOptions& o, size_t level) {
  const auto width = level_channels(o, level);
  const bool last = level + 1 == o.channel_mult.size();
  const auto before = level == 0 ? o.channels : level_channels(o, level - 1);
  const auto below = last ? width : level_channels(o, level + 1);
  return {before, width, 2 * width, width + below, width + before};
}

void require_divisor(int64_t groups, int64_t found, int64_t channels, const char* key,
                     const UnetOptions& o) {
  require(channels % groups == 0, key,
          fmt::format("{}, must divide the {} channels of every level (channels {} x channel_mult)",
                      found, channels, o.channels));
}

void check_groups(const UnetOptions& o, const ImageShape& shape) {
  const size_t levels = o.channel_mult.size();
  const char* const key = o.level_norm_groups < 0 ? "norm_groups" : "level_norm_groups";
  const auto found = o.level_norm_groups < 0 ? o.norm_groups : o.level_norm_groups;
  for (size_t level = 0; level < levels; ++level) {
    for (const auto channels : normalised_widths(o, level)) {
      require_divisor(level_norm_groups(o, channels), found, channels, key, o);
      if (!attends(o, shape, level) || channels < level_channels(o, level)) continue;
      require_divisor(attention_norm_groups(o, channels), o.attention_norm_groups, channels,
                      "attention_norm_groups", o);
    }
  }
  const auto last = level_channels(o, levels - 1);
  for (const auto channels : {level_channels(o, 0), last}) {
    require_divisor(norm_groups(o, channels), o.norm_groups, channels, "norm_groups", o);
  }
  require(o.middle_norm_groups < 1 || last % o.middle_norm_groups == 0, "middle_norm_groups",
          fmt::format("{}, must divide the {} channels of the middle", o.middle_norm_groups, last));
}

void check_heads(const UnetOptions& o, int64_t channels) {
  const bool by_channels = o.attention_head_channels > 0;
  const auto divisor = by_channels ? o.attention_head_channels : o.attention_heads;
  require(channels % divisor == 0, by_channels ? "attention_head_channels" : "attention_heads",
          fmt::format("{}, must divide the {} channels of the level", divisor, channels));
}

}  // namespace

void check_options(const UnetOptions& o, const ImageShape& shape) {
  check_ranges(o);
  check_groups(o, shape);
  const size_t levels = o.channel_mult.size();
  const int64_t factor = o.patch << (levels - 1);
  require(shape.height % factor == 0 && shape.width % factor == 0, "channel_mult",
          fmt::format("{} levels and patch {} need images whose height and width are multiples of "
                      "{}, got {} x {}",
                      levels, o.patch, factor, shape.height, shape.width));
  for (size_t level = 0; level < levels; ++level) {
    if (attends(o, shape, level)) check_heads(o, level_channels(o, level));
  }
  if (o.middle_attention) check_heads(o, level_channels(o, levels - 1));
}

int64_t level_channels(const UnetOptions& options, size_t level) {
  return options.channels * options.channel_mult.at(level);
}

bool attends(const UnetOptions& options, const ImageShape& shape, size_t level) {
  const auto holds = [](const std::vector<int64_t>& list, int64_t value) {
    return std::find(list.begin(), list.end(), value) != list.end();
  };
  return holds(options.attention_resolutions, (shape.height / options.patch) >> level) ||
         holds(options.attention_levels, static_cast<int64_t>(level));
}

int64_t attention_heads(const UnetOptions& options, int64_t channels) {
  return options.attention_head_channels > 0 ? channels / options.attention_head_channels
                                             : options.attention_heads;
}

int64_t norm_groups(const UnetOptions& options, int64_t channels) {
  return groups_by(options.norm_groups, channels);
}

int64_t level_norm_groups(const UnetOptions& options, int64_t channels) {
  const auto groups = options.level_norm_groups;
  return groups_by(groups < 0 ? options.norm_groups : groups, channels);
}

int64_t attention_norm_groups(const UnetOptions& options, int64_t channels) {
  const auto groups = options.attention_norm_groups;
  return groups < 0 ? level_norm_groups(options, channels) : groups_by(groups, channels);
}

int64_t middle_norm_groups(const UnetOptions& options) {
  if (options.middle_norm_groups >= 0) return options.middle_norm_groups;
  return norm_groups(options, level_channels(options, options.channel_mult.size() - 1));
}

double skip_rescale(const UnetOptions& options) {
  return options.skip_rescale ? std::sqrt(2.0) : 1.0;
}

double middle_rescale(const UnetOptions& options) {
  return options.middle_rescale > 0 ? options.middle_rescale : skip_rescale(options);
}

int64_t embedding_width(const UnetOptions& options) {
  return options.embedding_width > 0 ? options.embedding_width : 4 * options.channels;
}

}  // namespace halcyon
