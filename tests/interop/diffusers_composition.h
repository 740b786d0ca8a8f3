#pragma once

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/tensor_map.h"
#include "core/torch.h"

namespace halcyon::testing {

/// What diffusers' UNet2DModel computes, written down from its definition and that of NCSN++ (Song
/// et al. 2021) in plain operators on weights by diffusers' names, independently of our layers: an
/// oracle where there is no file of its outputs.  In the type of the weights.
class DiffusersComposition {
 public:
  DiffusersComposition(nlohmann::json config, TensorMap weights)
      : config_(std::move(config)), weights_(std::move(weights)) {}

  /// `timestep`: [B]; for Fourier features sigma.
  torch::Tensor operator()(const torch::Tensor& sample, const torch::Tensor& timestep,
                           const torch::Tensor& label = {}) const {
    auto x = config_.value("center_input_sample", false) ? 2 * sample - 1 : sample;
    const auto temb = embedding(timestep, label);
    auto image = x;
    x = conv("conv_in", x, 1);
    std::vector<torch::Tensor> stack = {x};
    const size_t depth = config_.at("block_out_channels").size();
    for (size_t i = 0; i < depth; ++i) down(i, i + 1 == depth, temb, x, image, stack);
    const double rescale = config_.value("mid_block_scale_factor", 1.0);
    const auto mid = groups_or_quarter(width(depth - 1));
    x = resnet("mid_block.resnets.0", x, temb, mid, mid, rescale);
    if (config_.value("add_attention", true)) {
      const bool norm = config_.value("resnet_time_scale_shift", "default") == "default";
      x = attention("mid_block.attentions.0", x, norm ? mid : 0, rescale);
    }
    x = resnet("mid_block.resnets.1", x, temb, mid, mid, rescale);
    torch::Tensor skip;
    for (size_t i = 0; i < depth; ++i) up(i, i + 1 == depth, temb, x, skip, stack);
    x = conv("conv_out", silu_norm("conv_norm_out", x, groups_or_quarter(width(0))), 1);
    if (skip.defined()) x = x + skip;
    return fourier() ? x / timestep.view({-1, 1, 1, 1}) : x;
  }

  /// Zeros between and around the numbers, the convolution, and every down-th number of it.
  static torch::Tensor upfirdn(const torch::Tensor& x, double gain, int64_t up, int64_t down,
                               int64_t before, int64_t after) {
    const auto b = x.size(0), c = x.size(1), height = x.size(2), width = x.size(3);
    auto spread = torch::zeros({b, c, height, up, width, up}, x.options());
    spread.select(5, 0).select(3, 0).copy_(x);
    const auto padded = torch::constant_pad_nd(spread.reshape({b, c, height * up, width * up}),
                                               {before, after, before, after});
    const auto k = torch::tensor({1.0, 3.0, 3.0, 1.0}, x.options());
    const auto kernel = gain * k.outer(k) / k.outer(k).sum();
    const auto flipped = kernel.flip({0, 1}).view({1, 1, 4, 4});
    const auto rows = padded.reshape({b * c, 1, padded.size(2), padded.size(3)});
    const auto full = torch::conv2d(rows, flipped);
    return full.reshape({b, c, full.size(2), full.size(3)})
        .slice(2, 0, {}, down)
        .slice(3, 0, {}, down);
  }
  static torch::Tensor fir_down(const torch::Tensor& x) { return upfirdn(x, 1, 1, 2, 1, 1); }
  static torch::Tensor fir_up(const torch::Tensor& x) { return upfirdn(x, 4, 2, 1, 2, 1); }

 private:
  enum class Change { none, mean, repeat, fir_down, fir_up };

  const torch::Tensor& w(const std::string& name) const { return weights_.at(name); }
  int64_t width(size_t level) const { return config_.at("block_out_channels").at(level); }
  bool fourier() const { return config_.value("time_embedding_type", "positional") == "fourier"; }
  static bool has(const std::string& type, const char* part) {
    return type.find(part) != std::string::npos;
  }

  /// Of attending types a key says it.
  bool by_resnet(const std::string& type, const char* key) const {
    return has(type, "Attn") ? config_.value(key, "conv") == "resnet" : has(type, "Resnet");
  }

  torch::Tensor conv(const std::string& name, const torch::Tensor& x, int64_t padding,
                     int64_t stride = 1) const {
    return torch::conv2d(x, w(name + ".weight"), w(name + ".bias"), stride, padding);
  }
  torch::Tensor linear(const std::string& name, const torch::Tensor& x) const {
    return torch::linear(x, w(name + ".weight"), w(name + ".bias"));
  }
  torch::Tensor norm(const std::string& name, const torch::Tensor& x, int64_t groups) const {
    return torch::group_norm(x, groups, w(name + ".weight"), w(name + ".bias"),
                             config_.value("norm_eps", 1e-5));
  }
  torch::Tensor silu_norm(const std::string& name, const torch::Tensor& x, int64_t groups) const {
    const auto y = norm(name, x, groups);
    return y * torch::sigmoid(y);
  }
  static int64_t quarter(int64_t channels) { return std::min<int64_t>(channels / 4, 32); }
  int64_t groups_or_quarter(int64_t channels) const {
    const auto found = config_.find("norm_num_groups");
    if (found == config_.end()) return 32;
    return found->is_null() ? quarter(channels) : found->get<int64_t>();
  }

  torch::Tensor embedding(const torch::Tensor& timestep, const torch::Tensor& label) const {
    const auto channels = width(0);
    torch::Tensor features;
    if (fourier()) {
      const auto angle = timestep.log().unsqueeze(1) * w("time_proj.weight") * 2 * M_PI;
      features = torch::cat({angle.sin(), angle.cos()}, 1);
    } else {
      const auto half = channels / 2;
      const auto k = torch::arange(half, timestep.options());
      const double shift = config_.value("freq_shift", 0.0);
      const auto angle = timestep.unsqueeze(1) * (-std::log(10000.0) * k / (half - shift)).exp();
      features = config_.value("flip_sin_to_cos", true) ? torch::cat({angle.cos(), angle.sin()}, 1)
                                                        : torch::cat({angle.sin(), angle.cos()}, 1);
    }
    auto temb =
        linear("time_embedding.linear_2", torch::silu(linear("time_embedding.linear_1", features)));
    if (label.defined()) temb = temb + w("class_embedding.weight").index({label});
    return temb;
  }

  static torch::Tensor changed(const torch::Tensor& x, Change change) {
    switch (change) {
      case Change::none:
        return x;
      case Change::mean:
        return (x.slice(2, 0, {}, 2) + x.slice(2, 1, {}, 2)).unflatten(3, {-1, 2}).sum(4) / 4;
      case Change::repeat:
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3);
      case Change::fir_down:
        return fir_down(x);
      case Change::fir_up:
        return fir_up(x);
    }
    return {};
  }

  torch::Tensor resnet(const std::string& name, const torch::Tensor& x, const torch::Tensor& temb,
                       int64_t groups, int64_t groups_out, double rescale,
                       Change change = Change::none) const {
    auto h = conv(name + ".conv1", changed(silu_norm(name + ".norm1", x, groups), change), 1);
    const auto e = linear(name + ".time_emb_proj", torch::silu(temb)).unsqueeze(2).unsqueeze(3);
    if (config_.value("resnet_time_scale_shift", "default") == "default") {
      h = silu_norm(name + ".norm2", h + e, groups_out);
    } else {
      const auto parts = e.chunk(2, 1);
      h = torch::silu(norm(name + ".norm2", h, groups_out) * (1 + parts[0]) + parts[1]);
    }
    h = conv(name + ".conv2", h, 1);
    auto past = changed(x, change);
    if (weights_.count(name + ".conv_shortcut.weight") > 0) {
      past = conv(name + ".conv_shortcut", past, 0);
    }
    return (past + h) / rescale;
  }

  torch::Tensor attention(const std::string& name, const torch::Tensor& x, int64_t groups,
                          double rescale) const {
    const auto channels = x.size(1);
    const auto found = config_.find("attention_head_dim");
    const bool whole = found != config_.end() && found->is_null();
    const auto head = whole ? channels : config_.value("attention_head_dim", int64_t{8});
    const auto normed = groups > 0 ? norm(name + ".group_norm", x, groups) : x;
    const auto tokens = normed.flatten(2).transpose(1, 2);  // [B, N, C]
    const auto heads = [&](const char* map) {
      return linear(name + map, tokens).unflatten(2, {-1, head}).transpose(1, 2);
    };
    const auto q = heads(".to_q"), k = heads(".to_k"), v = heads(".to_v");
    const auto scores = q.matmul(k.transpose(2, 3)) / std::sqrt(static_cast<double>(head));
    const auto mixed = scores.softmax(3).matmul(v).transpose(1, 2).flatten(2);
    const auto out = linear(name + ".to_out.0", mixed).transpose(1, 2).view(x.sizes());
    return (out + x) / rescale;
  }

  void down(size_t i, bool last, const torch::Tensor& temb, torch::Tensor& x, torch::Tensor& image,
            std::vector<torch::Tensor>& stack) const {
    const auto block = "down_blocks." + std::to_string(i) + ".";
    const std::string type = config_.at("down_block_types").at(i);
    const bool skip = has(type, "Skip");
    const double rescale = skip ? std::sqrt(2.0) : 1;
    const auto out = skip ? quarter(width(i)) : groups_or_quarter(width(i));
    for (int64_t j = 0; j < config_.at("layers_per_block"); ++j) {
      const auto number = std::to_string(j);
      const auto in = skip ? quarter(x.size(1)) : out;
      x = resnet(block + "resnets." + number, x, temb, in, out, rescale);
      const auto groups = skip ? 32 : out;
      if (has(type, "Attn")) x = attention(block + "attentions." + number, x, groups, rescale);
      stack.push_back(x);
    }
    if (last) return;
    if (skip) {
      x = resnet(block + "resnet_down", x, temb, out, out, rescale, Change::fir_down);
      image = fir_down(image);
      x = conv(block + "skip_conv", image, 0) + x;
    } else if (by_resnet(type, "downsample_type")) {
      x = resnet(block + "downsamplers.0", x, temb, out, out, rescale, Change::mean);
    } else {
      x = conv(block + "downsamplers.0.conv", x, config_.value("downsample_padding", 1), 2);
    }
    stack.push_back(x);
  }

  void up(size_t i, bool last, const torch::Tensor& temb, torch::Tensor& x, torch::Tensor& image,
          std::vector<torch::Tensor>& stack) const {
    const auto block = "up_blocks." + std::to_string(i) + ".";
    const std::string type = config_.at("up_block_types").at(i);
    const auto channels = width(config_.at("block_out_channels").size() - 1 - i);
    const bool skip = has(type, "Skip"), attends = has(type, "Attn");
    const double rescale = skip ? std::sqrt(2.0) : 1;
    const auto out = skip ? quarter(channels) : groups_or_quarter(channels);
    for (int64_t j = 0; j < config_.at("layers_per_block").get<int64_t>() + 1; ++j) {
      const auto number = std::to_string(j);
      const auto from = x.size(1), past = stack.back().size(1);
      x = torch::cat({x, stack.back()}, 1);
      stack.pop_back();
      // AttnSkipUpBlock2D takes a quarter of what comes past, not of the sum.
      const auto skip_in = attends ? std::min<int64_t>(from + past / 4, 32) : quarter(from + past);
      x = resnet(block + "resnets." + number, x, temb, skip ? skip_in : out, out, rescale);
      if (attends && !skip) x = attention(block + "attentions." + number, x, out, rescale);
    }
    if (attends && skip) x = attention(block + "attentions.0", x, 32, rescale);
    if (skip && image.defined()) image = fir_up(image);
    if (last) return;
    if (skip) {
      const auto added = conv(block + "skip_conv", silu_norm(block + "skip_norm", x, out), 1);
      image = image.defined() ? image + added : added;
      x = resnet(block + "resnet_up", x, temb, out, out, rescale, Change::fir_up);
    } else if (by_resnet(type, "upsample_type")) {
      x = resnet(block + "upsamplers.0", x, temb, out, out, rescale, Change::repeat);
    } else {
      x = conv(block + "upsamplers.0.conv", changed(x, Change::repeat), 1);
    }
  }

  nlohmann::json config_;
  TensorMap weights_;
};

}  // namespace halcyon::testing
