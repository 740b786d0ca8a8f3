#include "models/unet.h"

#include <torch/nn/init.h>
#include <torch/nn/modules/container/modulelist.h>

#include "core/torch.h"
#include "kernels/concatenate.h"
#include "models/layers/dropout.h"
#include "models/layers/norm.h"
#include "models/layers/resample.h"

namespace halcyon {

static UnetOptions checked(const UnetOptions& options, const ImageShape& shape) {
  check_options(options, shape);
  return options;
}

static NoiseEmbeddingOptions noise_options(const UnetOptions& o) {
  const bool pairs = o.embedding == NoiseEmbeddingKind::gaussian_fourier;
  return {o.embedding, o.channels * (pairs ? 2 : 1), o.freq_shift, o.cos_first, o.fourier_scale};
}

static Convolution zero_convolution(int64_t in, int64_t out) {
  auto convolution = same_size_convolution(in, out, 3);
  torch::nn::init::zeros_(convolution->weight);
  torch::nn::init::zeros_(convolution->bias);
  return convolution;
}

Unet::Unet(const UnetOptions& options, const ImageShape& shape, int64_t num_classes)
    : options_(checked(options, shape)),
      shape_(shape),
      folded_(shape.channels * options.patch * options.patch),
      embedding_(register_module(
          "embedding", std::make_shared<ConditionEmbedding>(
                           noise_options(options), embedding_width(options), num_classes))),
      conv_in_(nullptr),
      conv_out_(nullptr),
      norm_out_(nullptr) {
  conv_in_ = register_module("conv_in", same_size_convolution(folded_, options.channels, 3));
  const auto skips = build_down();
  const int64_t last = level_channels(options, options.channel_mult.size() - 1);
  build_middle(last);
  build_up(last, skips);
  const int64_t first = level_channels(options, 0);
  norm_out_ =
      register_module("norm_out", make_norm(norm_groups(options, first), first, options.norm_eps));
  conv_out_ = register_module("conv_out", zero_convolution(first, folded_));
}

ResidualBlockOptions Unet::block_options(int64_t in_channels, int64_t out_channels) const {
  const auto& o = options_;
  return {.in_channels = in_channels,
          .out_channels = out_channels,
          .embedding_width = embedding_width(o),
          .norm_groups = level_norm_groups(o, in_channels),
          .norm_eps = o.norm_eps,
          .dropout = o.dropout,
          .scale_shift = o.scale_shift,
          .norm_groups_out = level_norm_groups(o, out_channels),
          .fir = o.fir,
          .rescale = skip_rescale(o)};
}

std::shared_ptr<ResidualBlock> Unet::make_resampling(int64_t channels, Resample resample) const {
  auto block = block_options(channels, channels);
  block.resample = resample;
  return std::make_shared<ResidualBlock>(block);
}

std::shared_ptr<Attention> Unet::make_attention(int64_t channels, int64_t norm_groups,
                                                double rescale) const {
  return std::make_shared<Attention>(AttentionOptions{channels, attention_heads(options_, channels),
                                                      norm_groups, options_.norm_eps, rescale});
}

std::shared_ptr<Attention> Unet::make_level_attention(int64_t channels) const {
  return make_attention(channels, attention_norm_groups(options_, channels),
                        skip_rescale(options_));
}

std::vector<int64_t> Unet::build_down() {
  torch::nn::ModuleList down;
  int64_t channels = options_.channels;
  std::vector<int64_t> skips = {channels};
  for (size_t l = 0; l < options_.channel_mult.size(); ++l) {
    const auto level = std::make_shared<UnetLevel>();
    const int64_t width = level_channels(options_, l);
    for (int64_t b = 0; b < options_.blocks; ++b) {
      level->blocks.push_back(std::make_shared<ResidualBlock>(block_options(channels, width)));
      if (attends(options_, shape_, l)) level->attentions.push_back(make_level_attention(width));
      skips.push_back(channels = width);
    }
    if (l + 1 < options_.channel_mult.size()) {
      add_downsample(*level, width);
      skips.push_back(width);
    }
    level->register_all();
    down->push_back(level);
    down_.push_back(level);
  }
  register_module("down", down);
  return skips;
}

void Unet::add_downsample(UnetLevel& level, int64_t channels) const {
  if (options_.resample_blocks) {
    level.downsample_block = make_resampling(channels, Resample::down);
  } else {
    level.downsample = std::make_shared<Downsample>(channels, options_.downsample_padding);
  }
  level.fir = options_.fir;
  if (options_.input_skip) level.input_skip = same_size_convolution(folded_, channels, 1);
}

void Unet::add_upsample(UnetLevel& level, int64_t channels) const {
  if (options_.resample_blocks) {
    level.upsample_block = make_resampling(channels, Resample::up);
  } else {
    level.upsample = std::make_shared<Upsample>(channels);
  }
  level.fir = options_.fir;
  if (!options_.output_skip) return;
  const auto groups = level_norm_groups(options_, channels);
  level.output_norm = make_norm(groups, channels, options_.norm_eps);
  level.output_skip = zero_convolution(channels, folded_);
}

void Unet::build_middle(int64_t channels) {
  const auto mid = register_module("mid", std::make_shared<torch::nn::Module>("mid"));
  auto options = block_options(channels, channels);
  options.norm_groups = options.norm_groups_out = norm_groups(options_, channels);
  options.rescale = middle_rescale(options_);
  middle_ = {std::make_shared<ResidualBlock>(options), std::make_shared<ResidualBlock>(options)};
  if (options_.middle_attention) {
    middle_attention_ = mid->register_module(
        "attention", make_attention(channels, middle_norm_groups(options_), options.rescale));
  }
  torch::nn::ModuleList block;
  for (const auto& module : middle_) block->push_back(module);
  mid->register_module("block", block);
}

void Unet::build_up(int64_t channels, std::vector<int64_t> skips) {
  torch::nn::ModuleList up;
  for (size_t l = options_.channel_mult.size(); l-- > 0;) {
    const auto level = std::make_shared<UnetLevel>();
    const int64_t width = level_channels(options_, l);
    const bool attention = attends(options_, shape_, l);
    for (int64_t b = 0; b < options_.blocks + 1; ++b) {
      auto block = block_options(channels + skips.back(), width);
      if (attention) block.norm_groups = attention_norm_groups(options_, block.in_channels);
      level->blocks.push_back(std::make_shared<ResidualBlock>(block));
      const bool here = attention && (b == options_.blocks || !options_.attention_up_once);
      if (here) level->attentions.push_back(make_level_attention(width));
      skips.pop_back();
      channels = width;
    }
    if (l > 0) add_upsample(*level, width);
    level->register_all();
    up->push_back(level);
    up_.push_back(level);
  }
  register_module("up", up);
}

torch::Tensor Unet::forward(const torch::Tensor& x, const torch::Tensor& c_noise,
                            const torch::Tensor& label) {
  TORCH_CHECK(x.dim() == 4 && x.size(1) == shape_.channels && x.size(2) == shape_.height &&
                  x.size(3) == shape_.width,
              "x is ", x.sizes(), ", built for [B, ", shape_.channels, ", ", shape_.height, ", ",
              shape_.width, "]");
  if (is_training() || reuse_.every > 1 || !recorded_.applies(x)) return compute(x, c_noise, label);
  return recorded_.run([this](const auto&... in) { return compute(in...); }, x, c_noise, label);
}

torch::Tensor Unet::compute(const torch::Tensor& x, const torch::Tensor& c_noise,
                            const torch::Tensor& label) {
  const auto embedding = embedding_->forward(c_noise, label);
  const auto seen = options_.center_input ? 2 * x - 1 : options_.unit_input ? (x + 1) / 2 : x;
  const auto image = entering(torch::pixel_unshuffle(seen, options_.patch));
  auto h = conv_in_->forward(image);
  std::vector<torch::Tensor> skips = {h};
  h = descend(*down_.front(), h, embedding, skips);
  const auto below = coarse_features({h, image}, embedding);
  h = ascend(*up_.back(), below.h, embedding, skips);
  h = conv_out_->forward(normalise(norm_out_, h, /*activate=*/true));
  if (below.image.defined()) h = h + doubled(below.image, options_.fir);
  return torch::pixel_shuffle(h.to(x.scalar_type()), options_.patch);
}

torch::Tensor Unet::run(const TensorMapping& f, const std::vector<torch::Tensor>& inputs) const {
  const bool recompute = recompute_ && is_training() && at::GradMode::is_enabled();
  return recompute ? recomputed(f, inputs, rng_) : f(inputs);
}

torch::Tensor Unet::descend(UnetLevel& level, torch::Tensor h, const torch::Tensor& embedding,
                            std::vector<torch::Tensor>& skips) const {
  for (size_t i = 0; i < level.blocks.size(); ++i) {
    h = run([&level, i](const auto& in) { return level.run_block(i, in[0], in[1]); },
            {h, embedding});
    skips.push_back(h);
  }
  return h;
}

torch::Tensor Unet::ascend(UnetLevel& level, torch::Tensor h, const torch::Tensor& embedding,
                           std::vector<torch::Tensor>& skips) const {
  for (size_t i = 0; i < level.blocks.size(); ++i) {
    const auto block = [&level, i](const auto& in) {
      return level.run_block(i, concatenate_channels(in[0], in[1]), in[2]);
    };
    h = run(block, {h, skips.back(), embedding});
    skips.pop_back();
  }
  return h;
}

UnetFeatures Unet::coarse_features(const UnetFeatures& top, const torch::Tensor& embedding) {
  if (is_training() || at::GradMode::is_enabled() || reuse_.every < 2) {
    return compute_coarse_features(top, embedding);
  }
  const auto& last = reuse_.features.h;
  const bool fits = last.defined() && last.size(0) == top.h.size(0);
  if (!fits || reuse_.evaluations % reuse_.every == 0) {
    reuse_ = {reuse_.every, 0, compute_coarse_features(top, embedding)};
  }
  ++reuse_.evaluations;
  return reuse_.features;
}

UnetFeatures Unet::compute_coarse_features(UnetFeatures features, const torch::Tensor& embedding) {
  std::vector<torch::Tensor> skips;
  for (size_t l = 1; l < down_.size(); ++l) {
    features = down_[l - 1]->halve(features, embedding);
    skips.push_back(features.h);
    features.h = descend(*down_[l], features.h, embedding, skips);
  }
  const auto middle = [this](const auto& in) {
    const auto first = middle_[0]->forward(in[0], in[1]);
    return middle_[1]->forward(middle_attention_ ? middle_attention_->forward(first) : first,
                               in[1]);
  };
  features = {run(middle, {features.h, embedding}), {}};
  for (size_t l = 0; l + 1 < up_.size(); ++l) {
    features.h = ascend(*up_[l], features.h, embedding, skips);
    features = up_[l]->enlarge(features, embedding);
  }
  return features;
}

void Unet::reuse_features(int64_t every) { reuse_ = {every, 0, {}}; }

void Unet::replay_evaluations(bool on) {
  on ? recorded_.turn_on(parameters()) : recorded_.turn_off();
}

torch::Tensor Unet::entering(const torch::Tensor& x) const {
  const auto typed = x.to(conv_in_->weight.scalar_type());
  // LibTorch's convolutions in float64 know one layout only.
  if (typed.scalar_type() == torch::kFloat64) return typed;
  return typed.contiguous(at::MemoryFormat::ChannelsLast);
}

void Unet::use_type(at::ScalarType type) {
  fix_weights(false);
  const auto cast = [&](torch::Tensor parameter) {
    const auto format =
        parameter.dim() == 4 ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
    parameter.set_data(parameter.detach().to(type).contiguous(format));
  };
  for (const auto& module : modules(/*include_self=*/false)) {
    if (module->as<Convolution>() != nullptr) {
      for (const auto& parameter : module->parameters()) cast(parameter);
    }
    if (auto* attention = module->as<Attention>()) {
      for (const auto& parameter : attention->maps()) cast(parameter);
    }
  }
}

void Unet::fix_weights() { fix_weights(true); }

void Unet::fix_weights(bool fixed) {
  for (const auto& module : modules(/*include_self=*/false)) {
    if (auto* convolution = module->as<Convolution>()) convolution->fix_weights(fixed);
    if (auto* attention = module->as<Attention>()) attention->fix_weights(fixed);
  }
}

int64_t Unet::num_classes() const { return embedding_->num_classes(); }

void Unet::use_generator(const at::Generator& rng) {
  rng_ = rng;
  for (const auto& module : modules(/*include_self=*/false)) {
    if (auto* dropout = module->as<Dropout>()) dropout->use_generator(rng);
  }
}

}  // namespace halcyon
