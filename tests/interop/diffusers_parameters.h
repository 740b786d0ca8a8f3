#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace halcyon::testing {

/// The config of google/ddpm-cifar10-32, as its repository has it.
inline nlohmann::json cifar_config() {
  return {{"_class_name", "UNet2DModel"},
          {"act_fn", "silu"},
          {"attention_head_dim", nullptr},
          {"block_out_channels", {128, 256, 256, 256}},
          {"center_input_sample", false},
          {"down_block_types", {"DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"}},
          {"downsample_padding", 0},
          {"dropout", 0.0},
          {"flip_sin_to_cos", false},
          {"freq_shift", 1},
          {"in_channels", 3},
          {"layers_per_block", 2},
          {"mid_block_scale_factor", 1},
          {"norm_eps", 1e-06},
          {"norm_num_groups", 32},
          {"out_channels", 3},
          {"sample_size", 32},
          {"time_embedding_type", "positional"},
          {"up_block_types", {"UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"}}};
}

/// Names and shapes of the parameters of diffusers' UNet2DModel of a config, built up as its
/// modules are, for block types whose name says whether they attend and how they change resolution.
class DiffusersParameters {
 public:
  using Shapes = std::map<std::string, std::vector<int64_t>>;

  explicit DiffusersParameters(const nlohmann::json& config) : config_(config) {
    const auto widths = config.at("block_out_channels").get<std::vector<int64_t>>();
    const auto layers = config.at("layers_per_block").get<int64_t>();
    temb_ = config.value("time_embedding_dim", 4 * widths.front());
    scale_shift_ = config.value("resnet_time_scale_shift", "default") == "scale_shift";
    conv("conv_in", config.at("in_channels"), widths.front(), 3);
    const bool fourier = config.value("time_embedding_type", "positional") == "fourier";
    if (fourier) shapes_["time_proj.weight"] = {widths.front()};
    linear("time_embedding.linear_1", (fourier ? 2 : 1) * widths.front(), temb_);
    linear("time_embedding.linear_2", temb_, temb_);
    if (config.contains("num_class_embeds")) {
      shapes_["class_embedding.weight"] = {config.at("num_class_embeds"), temb_};
    }
    std::vector<int64_t> skips = {widths.front()};
    int64_t in = widths.front();
    for (size_t i = 0; i < widths.size(); ++i) {
      const auto block = "down_blocks." + std::to_string(i) + ".";
      const std::string type = config.at("down_block_types").at(i);
      for (int64_t j = 0; j < layers; ++j) {
        layer(block, j, in, widths[i], type);
        skips.push_back(in = widths[i]);
      }
      if (i + 1 == widths.size()) continue;
      if (skips_images(type)) {
        filtering_resnet(block + "resnet_down", widths[i]);
        conv(block + "skip_conv", 3, widths[i], 1);
      } else {
        resample(block + "downsamplers.0", widths[i], type, "downsample_type");
      }
      skips.push_back(widths[i]);
    }
    resnet("mid_block.resnets.0", in, in);
    resnet("mid_block.resnets.1", in, in);
    if (config.value("add_attention", true)) {
      const bool norm = !scale_shift_ || config.contains("attn_norm_num_groups");
      attention("mid_block.attentions.0", in, norm);
    }
    for (size_t i = 0; i < widths.size(); ++i) {
      const auto block = "up_blocks." + std::to_string(i) + ".";
      const std::string type = config.at("up_block_types").at(i);
      const auto width = widths[widths.size() - 1 - i];
      for (int64_t j = 0; j < layers + 1; ++j) {
        const bool once = skips_images(type) && j > 0;
        layer(block, j, in + skips.back(), width, once ? type.substr(4) : type);
        skips.pop_back();
        in = width;
      }
      if (i + 1 == widths.size()) continue;
      if (skips_images(type)) {
        filtering_resnet(block + "resnet_up", width);
        norm(block + "skip_norm", width);
        conv(block + "skip_conv", width, 3, 3);
      } else {
        resample(block + "upsamplers.0", width, type, "upsample_type");
      }
    }
    norm("conv_norm_out", widths.front());
    conv("conv_out", widths.front(), config.at("out_channels"), 3);
  }

  const Shapes& shapes() const { return shapes_; }

 private:
  void conv(const std::string& name, int64_t in, int64_t out, int64_t size) {
    shapes_[name + ".weight"] = {out, in, size, size};
    shapes_[name + ".bias"] = {out};
  }
  void linear(const std::string& name, int64_t in, int64_t out) {
    shapes_[name + ".weight"] = {out, in};
    shapes_[name + ".bias"] = {out};
  }
  void norm(const std::string& name, int64_t channels) {
    shapes_[name + ".weight"] = shapes_[name + ".bias"] = {channels};
  }
  void resnet(const std::string& name, int64_t in, int64_t out) {
    norm(name + ".norm1", in);
    conv(name + ".conv1", in, out, 3);
    linear(name + ".time_emb_proj", temb_, scale_shift_ ? 2 * out : out);
    norm(name + ".norm2", out);
    conv(name + ".conv2", out, out, 3);
    if (in != out) conv(name + ".conv_shortcut", in, out, 1);
  }
  /// With a convolution past it, though the number of channels stays.
  void filtering_resnet(const std::string& name, int64_t channels) {
    resnet(name, channels, channels);
    conv(name + ".conv_shortcut", channels, channels, 1);
  }
  static bool skips_images(const std::string& type) {
    return type.find("Skip") != std::string::npos;
  }
  void attention(const std::string& name, int64_t channels, bool has_norm) {
    if (has_norm) norm(name + ".group_norm", channels);
    for (const auto* map : {".to_q", ".to_k", ".to_v", ".to_out.0"}) {
      linear(name + map, channels, channels);
    }
  }
  void layer(const std::string& block, int64_t j, int64_t in, int64_t out,
             const std::string& type) {
    resnet(block + "resnets." + std::to_string(j), in, out);
    if (type.rfind("Attn", 0) == 0) {
      attention(block + "attentions." + std::to_string(j), out, /*has_norm=*/true);
    }
  }
  void resample(const std::string& name, int64_t channels, const std::string& type,
                const char* key) {
    const bool attends = type.rfind("Attn", 0) == 0;
    const bool by_block =
        attends ? config_.value(key, "conv") == "resnet" : type.rfind("Resnet", 0) == 0;
    by_block ? resnet(name, channels, channels) : conv(name + ".conv", channels, channels, 3);
  }

  nlohmann::json config_;
  int64_t temb_ = 0;
  bool scale_shift_ = false;
  Shapes shapes_;
};

inline DiffusersParameters::Shapes diffusers_parameters(const nlohmann::json& config) {
  return DiffusersParameters(config).shapes();
}

}  // namespace halcyon::testing
