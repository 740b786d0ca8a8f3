#include "models/unet.h"

#include <torch/torch.h>

#include "kernels/concatenate.h"
#include "models/layers/dropout.h"
#include "models/layers/norm.h"
#include "models/layers/resample.h"

namespace halcyon {

// One resolution: blocks, each followed by attention if there is any, then at most one change of
// resolution, by a convolution or a block.
struct Unet::Level final : torch::nn::Module {
  std::vector<std::shared_ptr<ResidualBlock>> blocks;
  std::vector<std::shared_ptr<Attention>> attentions;  // one for each block, or none
  std::shared_ptr<Downsample> downsample;
  std::shared_ptr<Upsample> upsample;
  std::shared_ptr<ResidualBlock> downsample_block, upsample_block;

  void register_all() {
    torch::nn::ModuleList block, attention;
    for (const auto& module : blocks) block->push_back(module);
    for (const auto& module : attentions) attention->push_back(module);
    register_module("block", block);
    if (!attentions.empty()) register_module("attention", attention);
    if (downsample) register_module("downsample", downsample);
    if (upsample) register_module("upsample", upsample);
    if (downsample_block) register_module("downsample", downsample_block);
    if (upsample_block) register_module("upsample", upsample_block);
  }

  torch::Tensor halve(const torch::Tensor& x, const torch::Tensor& embedding) {
    return downsample_block ? downsample_block->forward(x, embedding) : downsample->forward(x);
  }

  torch::Tensor enlarge(const torch::Tensor& x, const torch::Tensor& embedding) {
    return upsample_block ? upsample_block->forward(x, embedding) : upsample->forward(x);
  }

  torch::Tensor run_block(size_t i, const torch::Tensor& x, const torch::Tensor& embedding) {
    const auto h = blocks[i]->forward(x, embedding);
    return attentions.empty() ? h : attentions[i]->forward(h);
  }
};

static UnetOptions checked(const UnetOptions& options, const ImageShape& shape) {
  check_options(options, shape);
  return options;
}

static NoiseEmbeddingOptions noise_options(const UnetOptions& o) {
  return {o.embedding, o.channels, o.freq_shift, o.cos_first, o.fourier_scale};
}

Unet::Unet(const UnetOptions& options, const ImageShape& shape, int64_t num_classes)
    : options_(checked(options, shape)),
      shape_(shape),
      embedding_(register_module(
          "embedding", std::make_shared<ConditionEmbedding>(
                           noise_options(options), embedding_width(options), num_classes))),
      conv_in_(nullptr),
      conv_out_(nullptr),
      norm_out_(nullptr) {
  const int64_t folded = shape.channels * options.patch * options.patch;
  conv_in_ = register_module("conv_in", same_size_convolution(folded, options.channels, 3));
  const auto skips = build_down();
  const int64_t last = level_channels(options, options.channel_mult.size() - 1);
  build_middle(last);
  build_up(last, skips);
  const int64_t first = level_channels(options, 0);
  norm_out_ = register_module("norm_out", make_norm(options.norm_groups, first, options.norm_eps));
  conv_out_ = register_module("conv_out", same_size_convolution(first, folded, 3));
  torch::nn::init::zeros_(conv_out_->weight);
  torch::nn::init::zeros_(conv_out_->bias);
}

std::shared_ptr<ResidualBlock> Unet::make_block(int64_t in_channels, int64_t out_channels,
                                                Resample resample) const {
  const auto& o = options_;
  return std::make_shared<ResidualBlock>(
      ResidualBlockOptions{in_channels, out_channels, embedding_width(o), o.norm_groups, o.norm_eps,
                           o.dropout, o.scale_shift, resample});
}

std::shared_ptr<Attention> Unet::make_attention(int64_t channels, int64_t norm_groups) const {
  return std::make_shared<Attention>(AttentionOptions{channels, attention_heads(options_, channels),
                                                      norm_groups, options_.norm_eps});
}

std::vector<int64_t> Unet::build_down() {
  torch::nn::ModuleList down;
  int64_t channels = options_.channels;
  std::vector<int64_t> skips = {channels};
  for (size_t l = 0; l < options_.channel_mult.size(); ++l) {
    const auto level = std::make_shared<Level>();
    const int64_t width = level_channels(options_, l);
    for (int64_t b = 0; b < options_.blocks; ++b) {
      level->blocks.push_back(make_block(channels, width));
      if (attends(options_, shape_, l)) {
        level->attentions.push_back(make_attention(width, options_.norm_groups));
      }
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

void Unet::add_downsample(Level& level, int64_t channels) const {
  if (options_.resample_blocks) {
    level.downsample_block = make_block(channels, channels, Resample::down);
  } else {
    level.downsample = std::make_shared<Downsample>(channels, options_.downsample_padding);
  }
}

void Unet::add_upsample(Level& level, int64_t channels) const {
  if (options_.resample_blocks) {
    level.upsample_block = make_block(channels, channels, Resample::up);
  } else {
    level.upsample = std::make_shared<Upsample>(channels);
  }
}

void Unet::build_middle(int64_t channels) {
  const auto mid = register_module("mid", std::make_shared<torch::nn::Module>("mid"));
  middle_ = {make_block(channels, channels), make_block(channels, channels)};
  if (options_.middle_attention) {
    middle_attention_ =
        mid->register_module("attention", make_attention(channels, middle_norm_groups(options_)));
  }
  torch::nn::ModuleList block;
  for (const auto& module : middle_) block->push_back(module);
  mid->register_module("block", block);
}

void Unet::build_up(int64_t channels, std::vector<int64_t> skips) {
  torch::nn::ModuleList up;
  for (size_t l = options_.channel_mult.size(); l-- > 0;) {
    const auto level = std::make_shared<Level>();
    const int64_t width = level_channels(options_, l);
    for (int64_t b = 0; b < options_.blocks + 1; ++b) {
      level->blocks.push_back(make_block(channels + skips.back(), width));
      if (attends(options_, shape_, l)) {
        level->attentions.push_back(make_attention(width, options_.norm_groups));
      }
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
  const auto seen = options_.center_input ? 2 * x - 1 : x;
  auto h = conv_in_->forward(entering(torch::pixel_unshuffle(seen, options_.patch)));
  std::vector<torch::Tensor> skips = {h};
  h = descend(*down_.front(), h, embedding, skips);
  h = coarse_features(h, embedding);
  h = ascend(*up_.back(), h, embedding, skips);
  h = conv_out_->forward(normalise(norm_out_, h, /*activate=*/true));
  return torch::pixel_shuffle(h.to(x.scalar_type()), options_.patch);
}

torch::Tensor Unet::run(const TensorMapping& f, const std::vector<torch::Tensor>& inputs) const {
  const bool recompute = recompute_ && is_training() && at::GradMode::is_enabled();
  return recompute ? recomputed(f, inputs, rng_) : f(inputs);
}

torch::Tensor Unet::descend(Level& level, torch::Tensor h, const torch::Tensor& embedding,
                            std::vector<torch::Tensor>& skips) const {
  for (size_t i = 0; i < level.blocks.size(); ++i) {
    h = run([&level, i](const auto& in) { return level.run_block(i, in[0], in[1]); },
            {h, embedding});
    skips.push_back(h);
  }
  return h;
}

torch::Tensor Unet::ascend(Level& level, torch::Tensor h, const torch::Tensor& embedding,
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

torch::Tensor Unet::coarse_features(const torch::Tensor& top, const torch::Tensor& embedding) {
  if (is_training() || at::GradMode::is_enabled() || reuse_.every < 2) {
    return compute_coarse_features(top, embedding);
  }
  const bool fits = reuse_.features.defined() && reuse_.features.size(0) == top.size(0);
  if (!fits || reuse_.evaluations % reuse_.every == 0) {
    reuse_ = {reuse_.every, 0, compute_coarse_features(top, embedding)};
  }
  ++reuse_.evaluations;
  return reuse_.features;
}

torch::Tensor Unet::compute_coarse_features(const torch::Tensor& top,
                                            const torch::Tensor& embedding) {
  auto h = top;
  std::vector<torch::Tensor> skips;
  for (size_t l = 1; l < down_.size(); ++l) {
    skips.push_back(h = down_[l - 1]->halve(h, embedding));
    h = descend(*down_[l], h, embedding, skips);
  }
  const auto middle = [this](const auto& in) {
    const auto first = middle_[0]->forward(in[0], in[1]);
    return middle_[1]->forward(middle_attention_ ? middle_attention_->forward(first) : first,
                               in[1]);
  };
  h = run(middle, {h, embedding});
  for (size_t l = 0; l + 1 < up_.size(); ++l) {
    h = up_[l]->enlarge(ascend(*up_[l], h, embedding, skips), embedding);
  }
  return h;
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
