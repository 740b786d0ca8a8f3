#include "models/unet.h"

#include "core/error.h"
#include "core/random.h"
#include "tests/support/catch.h"
#include "tests/support/small_networks.h"

using namespace halcyon;
using namespace halcyon::testing;

static int64_t parameter_count(const torch::nn::Module& module) {
  int64_t count = 0;
  for (const auto& p : module.parameters()) count += p.numel();
  return count;
}

TEST_CASE("the default U-Net is the CIFAR-10 network of Ho et al. 2020", "[model][oracle]") {
  // The count of google/ddpm-cifar10-32, which is their published network.
  const Unet unet(UnetOptions{}, {3, 32, 32}, /*num_classes=*/0);
  REQUIRE(parameter_count(unet) == 35746307);
  const auto names = unet.named_parameters();
  for (const auto* name : {"conv_in.weight", "embedding.linear1.weight",
                           "down.0.block.1.conv1.weight", "down.1.attention.0.norm.weight",
                           "down.0.downsample.conv.bias", "mid.attention.query.weight",
                           "up.2.attention.2.out.bias", "up.3.block.0.shortcut.weight"}) {
    CAPTURE(name);
    REQUIRE(names.contains(name));
  }
}

TEST_CASE("dropout in the U-Net follows the generator it is given", "[model][property]") {
  auto options = small_model("unet").unet;
  options.dropout = 0.3;
  Unet unet(options, small_shape(), 0);
  randomise(unet, 1);
  const auto run = [&] { return unet.forward(torch::ones({2, 2, 8, 4}), torch::zeros({2}), {}); };
  REQUIRE_THROWS(run());
  unet.use_generator(make_generator(4, "dropout"));
  const auto first = run();
  REQUIRE_FALSE(torch::equal(first, run()));
  unet.use_generator(make_generator(4, "dropout"));
  REQUIRE(torch::equal(first, run()));
  unet.eval();
  REQUIRE(torch::equal(run(), run()));
}

TEST_CASE("patches, fourier features, scale-shift and odd shapes run", "[model][property]") {
  auto options = small_model("unet").unet;
  options.patch = 2;
  options.embedding = NoiseEmbeddingKind::fourier;
  options.scale_shift = true;
  Unet unet(options, {1, 12, 20}, /*num_classes=*/2);
  randomise(unet, 1);
  unet.eval();
  const auto x = torch::randn({2, 1, 12, 20});
  const auto out = unet.forward(x, torch::zeros({2}), torch::tensor({0, 2}));
  REQUIRE(out.sizes() == x.sizes());
  // With self-attention, any pixel moves every other, those of its own patch too.
  auto moved = x.clone();
  moved.index({0, 0, 11, 19}) += 1;
  const auto change = unet.forward(moved, torch::zeros({2}), torch::tensor({0, 2})) - out;
  REQUIRE((change[0] != 0).all().item<bool>());
  REQUIRE(change[1].abs().max().item<double>() < 1e-6);
  REQUIRE_THROWS_WITH(unet.forward(torch::zeros({2, 1, 20, 12}), torch::zeros({2}), {}),
                      Contains("built for"));
}

TEST_CASE("U-Net options that contradict the image name their key", "[model][error]") {
  const auto refusal = [](auto change) {
    auto options = small_model("unet").unet;
    change(options);
    try {
      Unet(options, {1, 28, 28}, 0);
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  REQUIRE(refusal([](auto&) {}) == "accepted");
  REQUIRE_THAT(refusal([](auto& o) {
                 o.channel_mult = {1, 2, 2, 2};
               }),
               Contains("model.unet.channel_mult") && Contains("28 x 28") && Contains("8"));
  REQUIRE_THAT(refusal([](auto& o) { o.patch = 4; }), Contains("28 x 28"));
  REQUIRE_THAT(refusal([](auto& o) { o.norm_groups = 3; }),
               Contains("model.unet.norm_groups: 3, must divide the 8 channels"));
  REQUIRE_THAT(refusal([](auto& o) { o.attention_heads = 3; }),
               Contains("model.unet.attention_heads: 3"));
  REQUIRE_THAT(refusal([](auto& o) { o.attention_levels = {2}; }),
               Contains("model.unet.attention_levels: 2, must be in 0 .. 1"));
  REQUIRE_THAT(refusal([](auto& o) { o.attention_head_channels = 3; }),
               Contains("model.unet.attention_head_channels: 3"));
  REQUIRE_THAT(refusal([](auto& o) { o.downsample_padding = 2; }),
               Contains("model.unet.downsample_padding: 2"));
  REQUIRE_THAT(refusal([](auto& o) { o.dropout = 1; }), Contains("model.unet.dropout: 1"));
  REQUIRE_THAT(refusal([](auto& o) { o.channel_mult = {}; }), Contains("model.unet.channel_mult"));
  REQUIRE_THAT(refusal([](auto& o) { o.channels = 7; }), Contains("model.unet.channels: 7"));
}

TEST_CASE("reused features are those of the last whole evaluation", "[model][property]") {
  auto options = small_model("unet").unet;
  Unet unet(options, small_shape(), 0);
  randomise(unet, 1);
  unet.eval();
  const torch::NoGradGuard no_grad;
  const auto run = [&](double x, double c_noise) {
    return unet.forward(torch::full({2, 2, 8, 4}, x), torch::full({2}, c_noise), {});
  };
  const auto first = run(1, 0), second = run(2, 1);

  unet.reuse_features(2);
  REQUIRE(torch::equal(run(1, 0), first));
  REQUIRE(torch::equal(run(1, 0), first));  // from its own features
  REQUIRE(torch::equal(run(2, 1), second));
  REQUIRE_FALSE(torch::equal(run(1, 0), first));  // from those of the second
  run(2, 1);
  unet.reuse_features(2);  // another batch: nothing of the last one is left
  REQUIRE(torch::equal(run(1, 0), first));
  unet.reuse_features(1);
  REQUIRE(torch::equal(run(2, 1), second));
}

TEST_CASE("attention by level is that by height, and 2 x - 1 may be the network's to take",
          "[model][property]") {
  auto options = small_model("unet").unet;
  options.resample_blocks = true;
  Unet by_height(options, small_shape(), 0);
  options.attention_resolutions = {};
  options.attention_levels = {1};
  options.attention_heads = 1;
  options.attention_head_channels = 8;  // two heads of the 16 channels
  options.center_input = true;
  Unet by_level(options, small_shape(), 0);
  randomise(by_height, 1);
  randomise(by_level, 1);
  REQUIRE(parameter_count(by_height) == parameter_count(by_level));
  const torch::NoGradGuard no_grad;
  const auto x = torch::randn({2, 2, 8, 4});
  const auto sigma = torch::ones({2});
  REQUIRE(torch::allclose(by_level.forward(x, sigma, {}), by_height.forward(2 * x - 1, sigma, {}),
                          1e-5, 1e-5));
}

TEST_CASE("the middle may go without attention, and that without a norm", "[model][property]") {
  auto options = small_model("unet").unet;
  options.attention_resolutions = {};
  const auto names = [&] {
    std::string all;
    for (const auto& item : Unet(options, small_shape(), 0).named_parameters()) {
      if (item.key().find("attention") != std::string::npos) all += item.key() + " ";
    }
    return all;
  };
  REQUIRE_THAT(names(), Contains("mid.attention.norm.weight"));
  options.middle_norm_groups = 0;
  REQUIRE_THAT(names(), Contains("mid.attention.query.weight") && !Contains("norm"));
  options.middle_attention = false;
  REQUIRE(names().empty());
  REQUIRE(Unet(options, small_shape(), 0)
              .forward(torch::zeros({1, 2, 8, 4}), torch::zeros({1}), {})
              .sizes() == torch::IntArrayRef({1, 2, 8, 4}));
}
