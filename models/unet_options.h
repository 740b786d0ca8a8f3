#pragma once

#include <cstdint>
#include <vector>

#include "models/layers/noise_embedding.h"
#include "models/network_shape.h"

namespace halcyon {

/// Defaults: the CIFAR-10 network of Ho et al. 2020.
struct UnetOptions {
  int64_t channels = 128;
  std::vector<int64_t> channel_mult = {1, 2, 2, 2};
  int64_t blocks = 2;
  std::vector<int64_t> attention_resolutions = {16};
  std::vector<int64_t> attention_levels = {};
  int64_t attention_heads = 1;
  int64_t attention_head_channels = 0;
  bool middle_attention = true;
  int64_t middle_norm_groups = -1;
  double dropout = 0.0;
  NoiseEmbeddingKind embedding = NoiseEmbeddingKind::sinusoidal;
  double freq_shift = 1.0;
  bool cos_first = false;
  int64_t embedding_width = 0;
  double fourier_scale = 16.0;
  int64_t norm_groups = 32;
  double norm_eps = 1e-6;
  bool scale_shift = false;
  int64_t patch = 1;
  bool center_input = false;
  int64_t downsample_padding = 0;
  bool resample_blocks = false;
  bool fir = false;
  bool skip_rescale = false;
  double middle_rescale = 0;
  bool input_skip = false;
  bool output_skip = false;
  bool attention_up_once = false;
  int64_t level_norm_groups = -1;
  int64_t attention_norm_groups = -1;
  bool unit_input = false;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.channels, "channels", "channels of the first level; even");
    field(self.channel_mult, "channel_mult", "channels of each level, in units of channels");
    field(self.blocks, "blocks",
          "residual blocks per level on the way down; one more on the way up");
    field(self.attention_resolutions, "attention_resolutions",
          "feature map heights with self-attention; the middle has it by itself");
    field(self.attention_levels, "attention_levels",
          "levels with self-attention, 0 the first, beside those of attention_resolutions");
    field(self.attention_heads, "attention_heads", "divides the channels where there is attention");
    field(self.attention_head_channels, "attention_head_channels",
          "channels of a head, which divide those where there is attention; 0: by attention_heads");
    field(self.middle_attention, "middle_attention", "self-attention between the middle blocks");
    field(self.middle_norm_groups, "middle_norm_groups",
          "group normalisation before the middle attention; 0: none; -1: as norm_groups");
    field(self.dropout, "dropout", "probability in [0, 1), inside the residual blocks");
    field(self.embedding, "embedding", "features of the noise level");
    field(self.freq_shift, "freq_shift", "sinusoidal: 1 ends at period 10000, 0 just before");
    field(self.cos_first, "cos_first", "[cos, sin] features instead of [sin, cos]");
    field(self.embedding_width, "embedding_width",
          "width of what the blocks are told of noise level and class; 0: 4 channels");
    field(self.fourier_scale, "fourier_scale", "fourier: standard deviation of the frequencies");
    field(self.norm_groups, "norm_groups",
          "group normalisation; divides every level's channels; 0: a quarter of them, 32 at most");
    field(self.norm_eps, "norm_eps", "added to the variance under the square root, > 0");
    field(self.scale_shift, "scale_shift", "noise level scales and shifts features, not only adds");
    field(self.patch, "patch", "side of the pixel blocks folded into channels first; 1: none");
    field(self.center_input, "center_input", "the network sees 2 x - 1 instead of x");
    field(self.downsample_padding, "downsample_padding",
          "zeros about a map that is halved: 0 below and to the right, 1 on every side");
    field(self.resample_blocks, "resample_blocks",
          "change resolution by residual blocks instead of convolutions");
    field(self.fir, "fir",
          "these blocks, and images of input_skip and output_skip, by the filter (1, 3, 3, 1)");
    field(self.skip_rescale, "skip_rescale",
          "divide the sum of a residual branch and what goes past it by sqrt(2)");
    field(self.middle_rescale, "middle_rescale",
          "what the sums in the middle are divided by; 0: as skip_rescale says");
    field(self.input_skip, "input_skip", "the image, halved each time, enters every level");
    field(self.output_skip, "output_skip",
          "every level adds to the image that comes out, doubled each time");
    field(self.attention_up_once, "attention_up_once",
          "on the way up attention after the last block of a level only");
    field(self.level_norm_groups, "level_norm_groups",
          "group normalisation of the levels, without the middle and the end; -1: as norm_groups; "
          "0: a quarter of the channels, 32 at most");
    field(self.attention_norm_groups, "attention_norm_groups",
          "group normalisation before the attention of a level, and before the blocks that it "
          "follows on the way up; -1: as level_norm_groups");
    field(self.unit_input, "unit_input", "the network sees (x + 1) / 2, in [0, 1], instead of x");
  }
};

/// @throws ConfigError naming the key under model.unet for options that contradict one another or
/// the image shape.
void check_options(const UnetOptions& options, const ImageShape& shape);

/// Channels of a level, 0 the first.
int64_t level_channels(const UnetOptions& options, size_t level);

/// Whether the blocks of a level are followed by self-attention.
bool attends(const UnetOptions& options, const ImageShape& shape, size_t level);

/// Heads of the attention between `channels` channels.
int64_t attention_heads(const UnetOptions& options, int64_t channels);

/// Groups of a norm of so many channels at the end, and in the blocks of the middle.
int64_t norm_groups(const UnetOptions& options, int64_t channels);

/// Of a level.
int64_t level_norm_groups(const UnetOptions& options, int64_t channels);

/// Before the attention of a level, and before the blocks that it follows on the way up.
int64_t attention_norm_groups(const UnetOptions& options, int64_t channels);

/// Groups of the norm before the middle attention; 0: no norm.
int64_t middle_norm_groups(const UnetOptions& options);

/// What the sum of a residual branch and what goes past it is divided by.
double skip_rescale(const UnetOptions& options);
double middle_rescale(const UnetOptions& options);

/// Width of the embedding of noise level and class.
int64_t embedding_width(const UnetOptions& options);

}  // namespace halcyon
