#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/preconditioning.h"
#include "core/random.h"
#include "interop/diffusers_names.h"
#include "interop/diffusers_unet.h"
#include "interop/foreign_weights.h"
#include "models/unet.h"
#include "tests/interop/diffusers_composition.h"
#include "tests/interop/diffusers_parameters.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_directory.h"

using namespace halcyon;
using namespace halcyon::testing;
using Json = nlohmann::json;

namespace {

const auto kDouble = torch::kFloat64;

DescribedUnet described(const Json& config) {
  return read_diffusers_unet(config.dump(), "config.json", /*size=*/0);
}

/// Random weights by diffusers' names, about as large as trained ones.
halcyon::TensorMap random_weights(const Json& config) {
  auto rng = make_generator(5, "weights");
  halcyon::TensorMap weights;
  for (const auto& [name, sizes] : diffusers_parameters(config)) {
    const double scale = sizes.size() == 1 ? 0.5 : std::sqrt(1.0 / (sizes[1] * 4));
    weights[name] = scale * torch::randn(sizes, rng);
    if (name.find("norm") != std::string::npos && sizes.size() == 1) weights[name] += 0.7;
  }
  return weights;
}

halcyon::TensorMap own_tensors(const torch::nn::Module& module) {
  halcyon::TensorMap tensors;
  for (const auto& item : module.named_parameters()) tensors[item.key()] = item.value();
  for (const auto& item : module.named_buffers()) tensors[item.key()] = item.value();
  return tensors;
}

/// The network of `config`, through a file as diffusers writes it.
std::shared_ptr<Unet> imported(const Json& config, const halcyon::TensorMap& weights) {
  const TemporaryDirectory dir;
  write_safetensors(dir / "weights.safetensors", weights, {{"format", "pt"}});
  const auto unet = described(config);
  auto network = std::make_shared<Unet>(unet.options, unet.shape, unet.num_classes);
  NameMap map;
  for (const auto& [name, tensor] : own_tensors(*network)) {
    map.names[name] = diffusers_names(name, has_skip_blocks(unet.options));
  }
  ForeignWeights({dir / "weights.safetensors"}).fill(own_tensors(*network), map);
  network->eval();
  return network;
}

halcyon::TensorMap in_double(halcyon::TensorMap weights) {
  for (auto& [name, tensor] : weights) tensor = tensor.to(kDouble);
  return weights;
}

double error(const torch::Tensor& found, const torch::Tensor& wanted) {
  return ((found - wanted).abs().max() / wanted.abs().max()).item<double>();
}

Json base() {
  return {{"_class_name", "UNet2DModel"},
          {"act_fn", "silu"},
          {"in_channels", 3},
          {"out_channels", 3},
          {"sample_size", 16},
          {"layers_per_block", 1},
          {"norm_eps", 1e-6},
          {"norm_num_groups", 8},
          {"block_out_channels", {16, 32}}};
}

Json with(Json config, const Json& more) {
  config.update(more);
  return config;
}

Json skip_blocks() {
  return with(base(), {{"block_out_channels", {32, 64}},
                       {"norm_num_groups", nullptr},
                       {"time_embedding_type", "fourier"},
                       {"mid_block_scale_factor", std::sqrt(2.0)},
                       {"down_block_types", {"SkipDownBlock2D", "AttnSkipDownBlock2D"}},
                       {"up_block_types", {"AttnSkipUpBlock2D", "SkipUpBlock2D"}}});
}

Json resnet_blocks() {
  return with(base(), {{"down_block_types", {"ResnetDownsampleBlock2D", "AttnDownBlock2D"}},
                       {"up_block_types", {"AttnUpBlock2D", "ResnetUpsampleBlock2D"}},
                       {"downsample_type", "resnet"},
                       {"upsample_type", "resnet"}});
}

/// What the network sees and is told, in [0, 1] and as sigma for Fourier features.
struct Question {
  torch::Tensor sample, timestep, label;
};

Question question(const Json& config) {
  auto rng = make_generator(6, "question");
  const int64_t size = config.at("sample_size");
  const bool fourier = config.value("time_embedding_type", "positional") == "fourier";
  Question q{torch::randn({3, 3, size, size}, rng, kDouble), {}, {}};
  q.timestep = fourier ? torch::tensor({0.03, 1.7, 310.0}, kDouble)
                       : torch::tensor({0.0, 140.0, 999.0}, kDouble);
  if (config.contains("num_class_embeds")) q.label = torch::tensor({0, 2, 1});
  return q;
}

/// What ours gives to it, as diffusers would: from x = 2 x_u - 1 and ln sigma, divided by sigma.
torch::Tensor answer(Unet& network, const Json& config, const Question& q, at::ScalarType type) {
  const torch::NoGradGuard no_grad;
  network.to(type);
  const bool fourier = config.value("time_embedding_type", "positional") == "fourier";
  const auto x = fourier ? 2 * q.sample - 1 : q.sample;
  const auto told = fourier ? q.timestep.log() : q.timestep;
  const auto raw = network.forward(x.to(type), told.to(type), q.label).to(kDouble);
  return fourier ? raw / q.timestep.view({-1, 1, 1, 1}) : raw;
}

const std::vector<std::pair<const char*, Json>> kConfigs = {
    {"NCSN++", skip_blocks()},
    {"NCSN++ that centres its images, deeper",
     with(skip_blocks(),
          {{"block_out_channels", {32, 64, 64, 64}},
           {"layers_per_block", 2},
           {"center_input_sample", true},
           {"down_block_types",
            {"SkipDownBlock2D", "AttnSkipDownBlock2D", "SkipDownBlock2D", "SkipDownBlock2D"}},
           {"up_block_types",
            {"SkipUpBlock2D", "SkipUpBlock2D", "AttnSkipUpBlock2D", "SkipUpBlock2D"}}})},
    {"skip blocks told the timestep, with 32 groups in the middle and at the end",
     with(skip_blocks(), {{"norm_num_groups", 32},
                          {"time_embedding_type", "positional"},
                          {"mid_block_scale_factor", 1},
                          {"attention_head_dim", nullptr},
                          {"num_class_embeds", 3}})},
    {"skip blocks with scale and shift",
     with(skip_blocks(), {{"attention_head_dim", 32}, {"resnet_time_scale_shift", "scale_shift"}})},
    {"narrow skip blocks without attention",
     with(skip_blocks(), {{"block_out_channels", {12, 24}},
                          {"add_attention", false},
                          {"mid_block_scale_factor", 1.41421356237},
                          {"down_block_types", {"SkipDownBlock2D", "SkipDownBlock2D"}},
                          {"up_block_types", {"SkipUpBlock2D", "SkipUpBlock2D"}}})},
    {"resnets that change resolution", resnet_blocks()},
    {"resnets that change resolution, as in ADM",
     with(resnet_blocks(),
          {{"block_out_channels", {16, 16, 32}},
           {"down_block_types",
            {"ResnetDownsampleBlock2D", "AttnDownBlock2D", "ResnetDownsampleBlock2D"}},
           {"up_block_types", {"ResnetUpsampleBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D"}},
           {"resnet_time_scale_shift", "scale_shift"},
           {"attention_head_dim", 16},
           {"num_class_embeds", 4}})},
    {"convolutions with a scaled middle",
     with(base(), {{"mid_block_scale_factor", 2.5},
                   {"down_block_types", {"DownBlock2D", "AttnDownBlock2D"}},
                   {"up_block_types", {"AttnUpBlock2D", "UpBlock2D"}}})}};

}  // namespace

TEST_CASE("the filters of the composition keep a constant and halve what they doubled",
          "[interop][property]") {
  const auto x = torch::full({1, 2, 6, 6}, 0.5, kDouble);
  const auto up = DiffusersComposition::fir_up(x);
  REQUIRE(up.sizes() == torch::IntArrayRef({1, 2, 12, 12}));
  const auto back = DiffusersComposition::fir_down(up);
  REQUIRE(back.sizes() == x.sizes());
  REQUIRE((back - x).slice(2, 1, -1).slice(3, 1, -1).abs().max().item<double>() < 1e-15);
}

TEST_CASE("an imported U-Net of skip blocks or resnets computes an independent composition of them",
          "[interop][oracle]") {
  for (const auto& [what, config] : kConfigs) {
    DYNAMIC_SECTION(what) {
      const auto weights = random_weights(config);
      const auto network = imported(config, weights);
      const auto q = question(config);
      const auto wanted =
          DiffusersComposition(config, in_double(weights))(q.sample, q.timestep, q.label);
      REQUIRE(error(answer(*network, config, q, torch::kFloat32), wanted) < 1e-5);
      REQUIRE(error(answer(*network, config, q, kDouble), wanted) < 1e-12);
    }
  }
}

TEST_CASE("gradients of skip blocks are those of the composition", "[interop][oracle]") {
  const auto config = skip_blocks();
  auto weights = in_double(random_weights(config));
  const auto network = imported(config, weights);
  network->to(kDouble);
  const auto q = question(config);
  network->forward(2 * q.sample - 1, q.timestep.log(), {})
      .div(q.timestep.view({-1, 1, 1, 1}))
      .square()
      .sum()
      .backward();
  for (auto& [name, tensor] : weights) tensor = tensor.clone().requires_grad_(true);
  DiffusersComposition(config, weights)(q.sample, q.timestep).square().sum().backward();
  for (const auto& item : network->named_parameters()) {
    CAPTURE(item.key());
    const auto wanted =
        weights.at(diffusers_names(item.key(), /*skip_blocks=*/true).front()).grad();
    const double size = wanted.abs().max().item<double>();
    REQUIRE((item.value().grad() - wanted).abs().max().item<double>() < 1e-10 * (1 + size));
  }
}

TEST_CASE("a denoiser of NCSN++ is that of its score on images twice as wide",
          "[interop][oracle]") {
  const auto config = with(skip_blocks(), {{"center_input_sample", GENERATE(false, true)}});
  const auto weights = random_weights(config);
  const auto network = imported(config, weights);
  network->to(kDouble);
  const torch::NoGradGuard no_grad;
  const auto q = question(config);
  // Tweedie's formula where the score was learnt.
  const auto sigma = q.timestep.view({-1, 1, 1, 1});
  const auto score = DiffusersComposition(config, in_double(weights))(q.sample, q.timestep);
  const auto wanted = 2 * (q.sample + sigma.square() * score) - 1;
  PreconditioningOptions options{.name = "score"};
  options.noise.name = "ve";
  const auto preconditioning = make_preconditioning(options);
  PreconditionedDenoiser denoiser(*network, *preconditioning);
  REQUIRE(error(denoiser.denoise(2 * q.sample - 1, 2 * q.timestep), wanted) < 1e-12);
}

TEST_CASE("configs of skip blocks and resnets come back key by key", "[interop][roundtrip]") {
  for (const auto& [what, config] : kConfigs) {
    CAPTURE(what);
    const auto unet = described(config);
    const Json back = diffusers_unet_config(unet);
    for (const auto& [key, value] : config.items()) {
      CAPTURE(key);
      REQUIRE(back.at(key) == value);
    }
    const auto again = described(back);
    REQUIRE(Json(diffusers_unet_config(again)) == back);
    const Unet network(unet.options, unet.shape, unet.num_classes);
    REQUIRE(own_tensors(network).size() == diffusers_parameters(config).size());
  }
}

TEST_CASE("what skip blocks cannot be is refused by key", "[interop][error]") {
  const auto refusal = [](const Json& change) {
    try {
      described(with(skip_blocks(), change));
    } catch (const CheckpointError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  REQUIRE(refusal(Json::object()) == "accepted");
  const auto refuses = [&](const Json& change, const std::vector<std::string>& parts) {
    const auto said = refusal(change);
    for (const auto& part : parts) REQUIRE_THAT(said, Contains(part));
  };
  refuses({{"in_channels", 1}, {"out_channels", 1}}, {"in_channels is 1", "want 3"});
  refuses({{"down_block_types", {"SkipDownBlock2D", "AttnDownBlock2D"}}},
          {"down_block_types", "all or none"});
  refuses({{"up_block_types", {"AttnUpBlock2D", "UpBlock2D"}}}, {"down_block_types", "alike"});
  refuses({{"up_block_types", {"SkipUpBlock2D", "AttnSkipUpBlock2D"}}},
          {"up_block_types", "attention at the levels"});
  refuses({{"block_out_channels", {24, 48}}, {"attention_head_dim", nullptr}},
          {"block_out_channels is [24,48]", "a multiple of 32 at level 1"});
  refuses({{"mid_block_scale_factor", 0}}, {"mid_block_scale_factor is 0", "> 0"});
  refuses({{"time_embedding_type", "learned"}}, {"time_embedding_type is \"learned\"", "fourier"});
  refuses({{"down_block_types", {"DownBlock2D", "DownBlock2D"}},
           {"up_block_types", {"UpBlock2D", "UpBlock2D"}}},
          {"norm_num_groups is null", "a number of groups"});
  refuses({{"block_out_channels", {30, 60}},
           {"down_block_types", {"SkipDownBlock2D", "SkipDownBlock2D"}},
           {"up_block_types", {"SkipUpBlock2D", "SkipUpBlock2D"}},
           {"add_attention", false}},
          {"config.json", "level_norm_groups", "must divide"});
}

TEST_CASE("networks between skip blocks and others are refused by key", "[interop][error]") {
  const auto refuses = [](auto change, const char* key) {
    auto options = described(skip_blocks()).options;
    change(options);
    REQUIRE_THROWS_WITH(diffusers_unet_config({options, {3, 16, 16}, 0}), Contains(key));
  };
  refuses([](auto& o) { o.output_skip = false; }, "model.unet.output_skip: false, want true");
  refuses([](auto& o) { o.input_skip = false; }, "model.unet.output_skip: true, want false");
  refuses([](auto& o) { o.fir = false; }, "model.unet.fir");
  refuses([](auto& o) { o.skip_rescale = false; }, "model.unet.skip_rescale");
  refuses([](auto& o) { o.attention_up_once = false; }, "model.unet.attention_up_once");
  refuses([](auto& o) { o.level_norm_groups = 4; }, "model.unet.level_norm_groups: 4, want 0");
  refuses([](auto& o) { o.attention_norm_groups = 16; }, "model.unet.attention_norm_groups: 16");
  refuses([](auto& o) { o.cos_first = true; }, "model.unet.cos_first");
  refuses([](auto& o) { o.embedding = NoiseEmbeddingKind::sinusoidal; }, "model.unet.unit_input");
  UnetOptions plain;
  plain.norm_groups = 0;
  REQUIRE_THROWS_WITH(diffusers_unet_config({plain, {3, 32, 32}, 0}),
                      Contains("model.unet.norm_groups: 0"));
}
