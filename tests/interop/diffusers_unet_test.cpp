#include "interop/diffusers_unet.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "interop/diffusers_names.h"
#include "interop/foreign_weights.h"
#include "models/unet.h"
#include "tests/interop/diffusers_parameters.h"
#include "tests/support/catch.h"
#include "tests/support/golden.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

std::string golden_path(const std::string& name) {
  return std::string(HALCYON_GOLDEN_DIR) + "/" + name;
}

nlohmann::json config_of(const std::string& name) {
  std::ifstream in(golden_path(name));
  return nlohmann::json::parse(in);
}

DescribedUnet described(const nlohmann::json& config) {
  return read_diffusers_unet(config.dump(), "config.json", /*size=*/0);
}

halcyon::TensorMap own_tensors(const torch::nn::Module& module) {
  halcyon::TensorMap tensors;
  for (const auto& item : module.named_parameters()) tensors[item.key()] = item.value();
  return tensors;
}

NameMap names_of(const torch::nn::Module& module) {
  NameMap map;
  for (const auto& [name, tensor] : own_tensors(module)) map.names[name] = diffusers_names(name);
  return map;
}

std::shared_ptr<Unet> make(const nlohmann::json& config) {
  const auto unet = described(config);
  auto network = std::make_shared<Unet>(unet.options, unet.shape, unet.num_classes);
  network->eval();
  return network;
}

/// The network of a golden config with the golden weights, through a file as diffusers writes it.
std::shared_ptr<Unet> imported(const nlohmann::json& config, const testing::TensorMap& golden,
                               bool old_names = false) {
  const TemporaryDirectory dir;
  halcyon::TensorMap weights;
  for (const auto& [name, tensor] : golden) {
    if (name.rfind("weight.", 0) != 0) continue;
    auto theirs = name.substr(7);
    const std::vector<std::pair<std::string, std::string>> older = {
        {"to_q", "query"}, {"to_k", "key"}, {"to_v", "value"}, {"to_out.0", "proj_attn"}};
    for (const auto& [now, then] : older) {
      const auto at = theirs.find(now);
      if (old_names && at != std::string::npos) theirs.replace(at, now.size(), then);
    }
    weights[theirs] = tensor;
  }
  write_safetensors(dir / "weights.safetensors", weights, {{"format", "pt"}});
  auto network = make(config);
  ForeignWeights({dir / "weights.safetensors"}).fill(own_tensors(*network), names_of(*network));
  return network;
}

double relative_error(const torch::Tensor& found, const torch::Tensor& wanted) {
  return ((found - wanted).abs().max() / wanted.abs().max()).item<double>();
}

std::string refusal(const nlohmann::json& change, int64_t size = 0) {
  auto config = config_of("diffusers_unet.json");
  config.update(change);
  try {
    read_diffusers_unet(config.dump(), "config.json", size);
  } catch (const CheckpointError& error) {
    return error.what();
  }
  return "accepted";
}

/// Not its notes, which have an underscore first.
nlohmann::json meaning(nlohmann::json config) {
  config.erase("_diffusers_version");
  return config;
}

}  // namespace

TEST_CASE("an imported U-Net computes what diffusers' UNet2DModel computes", "[interop][golden]") {
  const std::string name = GENERATE("diffusers_unet", "diffusers_class");
  const bool old_names = GENERATE(false, true);
  const auto golden = load_golden(golden_path(name + ".safetensors"));
  const auto network = imported(config_of(name + ".json"), golden, old_names);
  const auto found = golden.find("class_labels");
  const auto label = found == golden.end() ? torch::Tensor() : found->second;
  const auto t = golden.at("t").to(torch::kFloat32);
  const torch::NoGradGuard no_grad;
  const auto wanted = golden.at("out_f64");
  REQUIRE(relative_error(network->forward(golden.at("x"), t, label), wanted) < 1e-5);
  network->to(torch::kFloat64);
  REQUIRE(relative_error(network->forward(golden.at("x").to(torch::kFloat64), t, label), wanted) <
          1e-7);
}

TEST_CASE("the U-Net is diffusers' to 1e-12 but for the features of the timestep",
          "[interop][golden]") {
  // Even in float64 diffusers takes sin and exp of the timesteps in float32, and their last digit
  // depends on the machine.  To compare the rest, its features enter through the first bias.
  const auto golden = load_golden(golden_path("diffusers_unet.safetensors"));
  const auto network = imported(config_of("diffusers_unet.json"), golden);
  network->to(torch::kFloat64);
  const torch::NoGradGuard no_grad;
  const auto linear = golden.at("weight.time_embedding.linear_1.weight").to(torch::kFloat64);
  const auto bias = golden.at("weight.time_embedding.linear_1.bias");
  const auto features = golden.at("act.time_proj").to(torch::kFloat64);
  const auto x = golden.at("x").to(torch::kFloat64);
  const auto t = golden.at("t").to(torch::kFloat32);
  network->named_parameters()["embedding.linear1.weight"].zero_();
  for (int64_t k = 0; k < x.size(0); ++k) {
    network->named_parameters()["embedding.linear1.bias"].copy_(bias + linear.mv(features[k]));
    const auto out = network->forward(x.narrow(0, k, 1), t.narrow(0, k, 1), {});
    REQUIRE(relative_error(out[0], golden.at("out_f64")[k]) < 1e-12);
  }
}

TEST_CASE("the U-Net's gradients are those of diffusers' UNet2DModel", "[interop][golden]") {
  const auto golden = load_golden(golden_path("diffusers_unet.safetensors"));
  const auto network = imported(config_of("diffusers_unet.json"), golden);
  const auto out = network->forward(golden.at("x"), golden.at("t").to(torch::kFloat32), {});
  torch::mse_loss(out, golden.at("eps")).backward();
  int64_t compared = 0;
  for (const auto& item : network->named_parameters()) {
    const auto wanted = golden.find("grad." + diffusers_names(item.key()).front());
    if (wanted == golden.end()) continue;
    CAPTURE(item.key());
    REQUIRE(relative_error(item.value().grad(), wanted->second) < 1e-5);
    ++compared;
  }
  REQUIRE(compared == 6);
}

TEST_CASE("google/ddpm-cifar10-32 is the default U-Net, 35 746 307 parameters by their names",
          "[interop][oracle]") {
  const auto config = cifar_config();
  const auto unet = described(config);
  const Unet network(unet.options, unet.shape, unet.num_classes);
  halcyon::TensorMap theirs;
  int64_t count = 0;
  for (const auto& [name, sizes] : diffusers_parameters(config)) {
    theirs[name] = torch::empty(sizes, torch::device(torch::kMeta));
    count += theirs[name].numel();
  }
  REQUIRE(count == 35746307);
  const auto matches = match_names(own_tensors(network), theirs, names_of(network));
  REQUIRE(matches.size() == theirs.size());
  // And the options are those of Ho et al., level by level.
  const auto back = diffusers_unet_config({UnetOptions(), {3, 32, 32}, 0});
  REQUIRE(meaning(back) == meaning(diffusers_unet_config(unet)));
}

TEST_CASE("what diffusers has beside it is laid out as there", "[interop][oracle]") {
  auto config = cifar_config();
  const std::vector<nlohmann::json> changes = {
      // The training example, at 64 instead of 128.
      {{"block_out_channels", {32, 32, 64, 64, 128, 128}},
       {"down_block_types",
        {"DownBlock2D", "DownBlock2D", "DownBlock2D", "DownBlock2D", "AttnDownBlock2D",
         "DownBlock2D"}},
       {"up_block_types",
        {"UpBlock2D", "AttnUpBlock2D", "UpBlock2D", "UpBlock2D", "UpBlock2D", "UpBlock2D"}},
       {"downsample_padding", 1},
       {"attention_head_dim", 8},
       {"sample_size", 64}},
      {{"add_attention", false}, {"num_class_embeds", 7}, {"time_embedding_dim", 96}},
      {{"resnet_time_scale_shift", "scale_shift"}},
      {{"resnet_time_scale_shift", "scale_shift"}, {"attn_norm_num_groups", 32}},
      // As in ADM's networks.
      {{"down_block_types",
        {"ResnetDownsampleBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"}},
       {"up_block_types",
        {"AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D"}},
       {"downsample_type", "resnet"},
       {"upsample_type", "resnet"},
       {"attention_head_dim", 64}}};
  for (const auto& change : changes) {
    auto changed = config;
    changed["block_out_channels"] = {32, 64, 64, 64};
    changed.update(change);
    CAPTURE(change.dump());
    const auto unet = described(changed);
    const Unet network(unet.options, unet.shape, unet.num_classes);
    halcyon::TensorMap theirs;
    for (const auto& [name, sizes] : diffusers_parameters(changed)) {
      theirs[name] = torch::empty(sizes, torch::device(torch::kMeta));
    }
    REQUIRE(match_names(own_tensors(network), theirs, names_of(network)).size() == theirs.size());
    const auto back = diffusers_unet_config(unet);
    for (const auto& [key, value] : changed.items()) {
      CAPTURE(key);
      REQUIRE(nlohmann::json(back.at(key)) == value);
    }
  }
}

TEST_CASE("a golden config comes back key by key", "[interop][golden][roundtrip]") {
  const std::string name = GENERATE("diffusers_unet.json", "diffusers_class.json");
  const auto config = config_of(name);
  REQUIRE(meaning(diffusers_unet_config(described(config))) == meaning(config));
}

TEST_CASE("keys that older versions leave out have diffusers' defaults", "[interop][property]") {
  const auto unet = read_diffusers_unet(R"({"_class_name": "UNet2DModel"})", "file", /*size=*/64);
  const UnetOptions& o = unet.options;
  REQUIRE(o.channels == 224);
  REQUIRE(o.channel_mult == std::vector<int64_t>{1, 2, 3, 4});
  REQUIRE(o.attention_levels == std::vector<int64_t>{1, 2, 3});
  REQUIRE(o.attention_resolutions.empty());
  REQUIRE(o.attention_head_channels == 8);
  REQUIRE(o.norm_eps == 1e-5);
  REQUIRE(o.freq_shift == 0);
  REQUIRE(o.cos_first);
  REQUIRE(o.downsample_padding == 1);
  REQUIRE(unet.shape.height == 64);
}

TEST_CASE("U-Nets that ours cannot be are refused by key, value and what is wanted",
          "[interop][error]") {
  using Json = nlohmann::json;
  REQUIRE(refusal(Json::object()) == "accepted");
  const auto refuses = [](const Json& change, const std::vector<std::string>& parts) {
    const auto said = refusal(change);
    for (const auto& part : parts) REQUIRE_THAT(said, Contains(part));
  };
  refuses({{"_class_name", "UNet2DConditionModel"}}, {"UNet2DConditionModel", "\"UNet2DModel\""});
  refuses({{"time_embedding_type", "learned"}},
          {"time_embedding_type is \"learned\"", "positional"});
  refuses({{"act_fn", "mish"}}, {"act_fn is \"mish\"", "silu"});
  refuses({{"out_channels", 6}}, {"out_channels is 6", "variance"});
  refuses({{"down_block_types", {"SkipDownBlock2D", "DownBlock2D"}}},
          {"SkipDownBlock2D", "AttnDownBlock2D"});
  refuses({{"up_block_types", {"UpBlock2D", "AttnUpBlock2D"}}}, {"up_block_types", "attention"});
  refuses({{"up_block_types", {"UpBlock2D"}}}, {"up_block_types", "2"});
  refuses({{"block_out_channels", {16, 24}}}, {"block_out_channels is [16,24]", "multiples"});
  refuses({{"attention_head_dim", 5}}, {"attention_head_dim is 5", "divisor of the 32"});
  refuses({{"mid_block_type", nullptr}}, {"mid_block_type is null"});
  refuses({{"mid_block_scale_factor", -1}}, {"mid_block_scale_factor is -1"});
  refuses({{"class_embed_type", "timestep"}}, {"class_embed_type is \"timestep\""});
  refuses({{"downsample_padding", 2}}, {"downsample_padding is 2", "0 or 1"});
  refuses({{"resnet_time_scale_shift", "spatial"}}, {"resnet_time_scale_shift is \"spatial\""});
  refuses({{"sample_size", nullptr}}, {"sample_size is null", "--size"});
  refuses({{"sample_size", 17}}, {"config.json", "17 x 17"});
  refuses({{"dual_head", 2}}, {"dual_head is 2", "no such key"});
  refuses({{"layers_per_block", "two"}}, {"layers_per_block is \"two\"", "a whole number"});
  refuses({{"downsample_type", "resnet"},
           {"block_out_channels", {16, 32, 32}},
           {"down_block_types", {"DownBlock2D", "AttnDownBlock2D", "DownBlock2D"}},
           {"up_block_types", {"UpBlock2D", "AttnUpBlock2D", "UpBlock2D"}}},
          {"change resolution alike"});
}

TEST_CASE("U-Nets that diffusers cannot hold are refused by key", "[interop][error]") {
  const auto refuses = [](auto change, const char* key) {
    UnetOptions options;
    change(options);
    REQUIRE_THROWS_WITH(diffusers_unet_config({options, {3, 32, 32}, 0}), Contains(key));
  };
  refuses([](auto& o) { o.patch = 2; }, "model.unet.patch: 2");
  refuses([](auto& o) { o.embedding = NoiseEmbeddingKind::fourier; }, "model.unet.embedding");
  refuses([](auto& o) { o.channel_mult = {2, 4}; }, "model.unet.channel_mult");
  refuses([](auto& o) { o.middle_norm_groups = 0; }, "model.unet.middle_norm_groups");
  refuses(
      [](auto& o) {
        o.attention_heads = 2;
        o.attention_resolutions = {32, 16};
      },
      "model.unet.attention_heads");
}
