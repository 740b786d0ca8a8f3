#include "tests/support/golden.h"

#include "models/layers/condition_embedding.h"
#include "models/layers/residual_block.h"
#include "models/unet.h"
#include "tests/support/catch.h"

using namespace halcyon;
using halcyon::testing::load_golden;
using halcyon::testing::TensorMap;

namespace {

// What diffusers calls a parameter -> what we do.
std::string our_name(std::string name) {
  static const std::vector<std::pair<std::string, std::string>> table = {
      {"conv_norm_out", "norm_out"},
      {"time_embedding.linear_", "embedding.linear"},
      {"class_embedding", "embedding.class_table"},
      {"down_blocks.", "down."},
      {"up_blocks.", "up."},
      {"mid_block.attentions.0.", "mid.attention."},
      {"mid_block.", "mid."},
      {"resnets.", "block."},
      {"attentions.", "attention."},
      {"downsamplers.0.", "downsample."},
      {"upsamplers.0.", "upsample."},
      {"conv_shortcut", "shortcut"},
      {"time_emb_proj", "embed"},
      {"group_norm", "norm"},
      {"to_q", "query"},
      {"to_k", "key"},
      {"to_v", "value"},
      {"to_out.0", "out"}};
  for (const auto& [theirs, ours] : table) {
    const auto at = name.find(theirs);
    if (at != std::string::npos) name.replace(at, theirs.size(), ours);
  }
  return name;
}

// The tensors under `prefix`, by our name without `scope`.
TensorMap ours(const TensorMap& golden, const std::string& prefix, const std::string& scope = "") {
  TensorMap found;
  for (const auto& [name, tensor] : golden) {
    if (name.rfind(prefix, 0) != 0) continue;
    const auto mine = our_name(name.substr(prefix.size()));
    if (mine.rfind(scope, 0) == 0) found[mine.substr(scope.size())] = tensor;
  }
  return found;
}

void load_weights(torch::nn::Module& module, const TensorMap& weights) {
  torch::NoGradGuard no_grad;
  for (auto& parameter : module.named_parameters()) {
    CAPTURE(parameter.key());
    REQUIRE(weights.count(parameter.key()) == 1);
    const auto& weight = weights.at(parameter.key());
    if (parameter.key() == "class_table.weight") {  // ours has a last row more, "no class"
      parameter.value().zero_().narrow(0, 0, weight.size(0)).copy_(weight);
    } else {
      REQUIRE(parameter.value().sizes() == weight.sizes());
      parameter.value().copy_(weight);
    }
  }
}

double relative_error(const torch::Tensor& found, const torch::Tensor& wanted) {
  return ((found - wanted).abs().max() / wanted.abs().max()).item<double>();
}

UnetOptions golden_options() {
  UnetOptions options;
  options.channels = 16;
  options.channel_mult = {1, 2};
  options.blocks = 1;
  options.attention_resolutions = {8};
  options.norm_groups = 8;
  return options;
}

}  // namespace

TEST_CASE("the U-Net computes what diffusers' UNet2DModel computes", "[model][golden]") {
  const auto golden = load_golden(HALCYON_GOLDEN_DIR "/diffusers_unet.safetensors");
  Unet unet(golden_options(), {3, 16, 16}, /*num_classes=*/0);
  unet.to(torch::kFloat64);
  const auto weights = ours(golden, "weight.");
  load_weights(unet, weights);
  REQUIRE(unet.parameters().size() == weights.size());
  const auto x = golden.at("x").to(torch::kFloat64);
  const auto t = golden.at("t").to(torch::kFloat32);
  const auto wanted = golden.at("out_f64");
  REQUIRE(relative_error(unet.forward(x, t, {}), wanted) < 1e-7);

  // Even in float64 diffusers takes sin and exp of the timesteps in float32, and their last digit
  // depends on the machine.  To compare the rest, its features enter through the first bias.
  torch::NoGradGuard no_grad;
  const auto linear1 = weights.at("embedding.linear1.weight").to(torch::kFloat64);
  const auto features = golden.at("act.time_proj").to(torch::kFloat64);
  unet.named_parameters()["embedding.linear1.weight"].zero_();
  for (int64_t k = 0; k < x.size(0); ++k) {
    unet.named_parameters()["embedding.linear1.bias"].copy_(weights.at("embedding.linear1.bias") +
                                                            linear1.mv(features[k]));
    const auto out = unet.forward(x.narrow(0, k, 1), t.narrow(0, k, 1), {});
    REQUIRE(relative_error(out[0], wanted[k]) < 1e-12);
  }
}

TEST_CASE("the U-Net's gradients are those of diffusers' UNet2DModel", "[model][golden]") {
  const auto golden = load_golden(HALCYON_GOLDEN_DIR "/diffusers_unet.safetensors");
  Unet unet(golden_options(), {3, 16, 16}, /*num_classes=*/0);
  load_weights(unet, ours(golden, "weight."));
  const auto out = unet.forward(golden.at("x"), golden.at("t").to(torch::kFloat32), {});
  torch::mse_loss(out, golden.at("eps")).backward();
  const auto gradients = ours(golden, "grad.");
  REQUIRE(gradients.size() == 6);
  for (const auto& [name, gradient] : gradients) {
    CAPTURE(name);
    REQUIRE(relative_error(unet.named_parameters()[name].grad(), gradient) < 1e-5);
  }
}

TEST_CASE("scale-shift blocks and class embeddings agree with diffusers", "[model][golden]") {
  const auto golden = load_golden(HALCYON_GOLDEN_DIR "/diffusers_scale_shift.safetensors");
  NoiseEmbeddingOptions noise;
  noise.width = 16;
  noise.freq_shift = 0;
  noise.cos_first = true;
  ConditionEmbedding condition(noise, /*width=*/64, /*num_classes=*/10);
  load_weights(condition, ours(golden, "weight.", "embedding."));
  const auto t = golden.at("t").to(torch::kFloat32);
  REQUIRE(relative_error(condition.forward(t, {}), golden.at("act.time_embedding")) < 1e-5);

  ResidualBlockOptions options;
  options.in_channels = options.out_channels = 16;
  options.embedding_width = 64;
  options.norm_groups = 8;
  options.scale_shift = true;
  ResidualBlock block(options);
  load_weights(block, ours(golden, "weight.", "down.0.block.0."));
  const auto embedding = condition.forward(t, golden.at("class_labels"));
  const auto h = block.forward(golden.at("act.conv_in"), embedding);

  const auto down = ours(golden, "weight.", "down.0.downsample.conv.");
  const auto halved = torch::conv2d(h, down.at("weight"), down.at("bias"), 2, 1);
  REQUIRE(relative_error(halved, golden.at("act.down_blocks.0")) < 1e-5);
}
