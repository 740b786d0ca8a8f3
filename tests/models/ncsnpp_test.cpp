#include <torch/optim.h>

#include "core/error.h"
#include "core/torch.h"
#include "models/unet.h"
#include "tests/support/catch.h"
#include "tests/support/relative_error.h"
#include "tests/support/small_networks.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

const auto kDouble = torch::TensorOptions(torch::kFloat64);

/// NCSN++ of Song et al. 2021, a few thousand parameters.
UnetOptions small_ncsnpp() {
  UnetOptions o;
  o.channels = 8;
  o.channel_mult = {1, 2, 2};
  o.blocks = 1;
  o.attention_resolutions = {4};
  o.embedding = NoiseEmbeddingKind::gaussian_fourier;
  o.fourier_scale = 1;  // so that differences of c_noise are small
  o.norm_groups = 0;
  o.resample_blocks = o.fir = o.skip_rescale = true;
  o.input_skip = o.output_skip = o.attention_up_once = true;
  return o;
}

ImageShape shape() { return {2, 8, 8}; }

std::shared_ptr<Unet> randomised(at::ScalarType type, int64_t num_classes = 0) {
  auto network = std::make_shared<Unet>(small_ncsnpp(), shape(), num_classes);
  network->to(type);
  randomise(*network, 3);
  network->eval();
  return network;
}

torch::Tensor normal(int64_t size, uint64_t seed) {
  auto rng = make_generator(seed, "test");
  return torch::randn({size, 2, 8, 8}, rng, kDouble);
}

std::string refusal(const std::function<void(UnetOptions&)>& change) {
  auto options = small_ncsnpp();
  change(options);
  try {
    Unet(options, shape(), 0);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("NCSN++ starts at zero with ways between image and features of every level",
          "[model][property]") {
  Unet unet(small_ncsnpp(), shape(), 0);
  const auto x = torch::randn({2, 2, 8, 8});
  REQUIRE(torch::equal(unet.forward(x, torch::rand({2}), {}), torch::zeros_like(x)));
  const auto names = unet.named_parameters();
  for (const auto* name :
       {"down.0.input_skip.weight", "down.1.input_skip.weight", "up.0.output_skip.weight",
        "up.1.output_norm.bias", "down.0.downsample.shortcut.weight",
        "up.0.upsample.shortcut.weight", "up.1.attention.0.query.weight"}) {
    CAPTURE(name);
    REQUIRE(names.contains(name));
  }
  REQUIRE_FALSE(names.contains("down.2.input_skip.weight"));
  REQUIRE_FALSE(names.contains("up.2.output_skip.weight"));
  REQUIRE_FALSE(names.contains("up.1.attention.1.query.weight"));
  REQUIRE(unet.named_buffers()["embedding.noise.weight"].numel() == 8);
  REQUIRE(names["embedding.linear1.weight"].size(1) == 16);
}

TEST_CASE("every parameter of NCSN++ has the gradient of finite differences", "[model][oracle]") {
  const auto network = randomised(torch::kFloat64);
  auto variables = network->parameters();
  variables.push_back(normal(2, 1).requires_grad_());
  const auto x = variables.back();
  const auto c_noise = torch::tensor({-0.4, 0.9}, kDouble);
  const auto w = normal(2, 3);
  const auto f = [&] { return (w * network->forward(x, c_noise, {})).sum(); };
  const auto gradients = torch::autograd::grad({f()}, variables);
  const auto names = network->named_parameters().keys();
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i].find("key.bias") != std::string::npos) continue;  // adds alike to all weights
    CAPTURE(names[i]);
    REQUIRE(gradients[i].abs().max().item<double>() > 1e-9);
  }
  auto rng = make_generator(4, "test");
  std::vector<torch::Tensor> directions;
  double slope = 0;
  for (size_t i = 0; i < variables.size(); ++i) {
    directions.push_back(torch::randn(variables[i].sizes(), rng, kDouble));
    slope += (gradients[i] * directions[i]).sum().item<double>();
  }
  const auto moved = [&](double step) {
    const torch::NoGradGuard no_grad;
    for (size_t i = 0; i < variables.size(); ++i) variables[i].add_(directions[i], step);
    return f().item<double>();
  };
  const double h = 1e-5;
  const double above = moved(h);
  const double below = moved(-2 * h);
  REQUIRE_THAT(slope, WithinRel((above - below) / (2 * h), 1e-6));
}

TEST_CASE("second derivatives and tangents pass the filters of NCSN++", "[model][oracle]") {
  const auto network = randomised(torch::kFloat64);
  const auto x = normal(2, 1).requires_grad_();
  const auto v = normal(2, 3);
  const auto c_noise = torch::tensor({-0.4, 0.9}, kDouble);
  const auto run = [&](const torch::Tensor& at) { return network->forward(at, c_noise, {}); };
  const double h = 1e-5;
  const auto level = torch::autograd::ForwardADLevel::get_next_idx();
  const auto dual = run(torch::_make_dual(x, v, static_cast<int64_t>(level)));
  const auto tangent = std::get<1>(torch::_unpack_dual(dual, static_cast<int64_t>(level)));
  REQUIRE(torch::allclose(tangent, (run(x + h * v) - run(x - h * v)) / (2 * h), 1e-6, 1e-8));
  torch::autograd::ForwardADLevel::release_idx(level);
  const auto gradient = [&](const torch::Tensor& at) {
    return torch::autograd::grad({run(at).square().sum()}, {at}, {}, true, true)[0];
  };
  const auto hessian_v = torch::autograd::grad({(gradient(x) * v).sum()}, {x})[0];
  const auto difference = (gradient(x + h * v) - gradient(x - h * v)) / (2 * h);
  REQUIRE(torch::allclose(hessian_v, difference, 1e-6, 1e-6));
}

TEST_CASE("NCSN++ overfits eight images also when it recomputes its features",
          "[model][property]") {
  const bool recompute = GENERATE(false, true);
  torch::manual_seed(1);
  Unet network(small_ncsnpp(), shape(), 0);
  network.recompute_features(recompute);
  const auto x = normal(8, 1).to(torch::kFloat32);
  const auto target = normal(8, 2).to(torch::kFloat32);
  torch::optim::Adam adam(network.parameters(), torch::optim::AdamOptions(1e-2));
  double first = 0, last = 0;
  for (int step = 0; step < 200; ++step) {
    const auto loss = torch::mse_loss(network.forward(x, torch::zeros({8}), {}), target);
    adam.zero_grad();
    loss.backward();
    adam.step();
    last = loss.item<double>();
    if (step == 0) first = last;
  }
  REQUIRE(last < first / 10);
}

TEST_CASE("NCSN++ reuses features and fixes weights and works in bfloat16 as the U-Net does",
          "[model][property]") {
  const torch::NoGradGuard no_grad;
  const auto network = randomised(torch::kFloat32);
  const auto x = normal(2, 1).to(torch::kFloat32);
  const auto run = [&](double c_noise) {
    return network->forward(x, torch::full({2}, c_noise), {});
  };
  const auto first = run(0), second = run(1);
  network->reuse_features(2);
  REQUIRE(torch::equal(run(0), first));
  REQUIRE(torch::equal(run(0), first));
  REQUIRE(torch::equal(run(1), second));
  REQUIRE_FALSE(torch::equal(run(0), first));
  network->reuse_features(1);
  network->fix_weights();
  REQUIRE(relative_error(run(0), first) < 1e-5);
  network->use_type(torch::kBFloat16);
  REQUIRE(run(0).scalar_type() == torch::kFloat32);
  REQUIRE(relative_error(run(0), first) < 0.05);
}

TEST_CASE("the network may see images between 0 and 1", "[model][property]") {
  const torch::NoGradGuard no_grad;
  auto options = small_ncsnpp();
  Unet plain(options, shape(), 0);
  options.unit_input = true;
  Unet unit(options, shape(), 0);
  for (auto* network : {&plain, &unit}) {
    network->to(torch::kFloat64);
    randomise(*network, 1);
  }
  unit.named_buffers()["embedding.noise.weight"].copy_(
      plain.named_buffers()["embedding.noise.weight"]);
  const auto x = normal(2, 1);
  const auto c_noise = torch::zeros({2}, kDouble);
  REQUIRE(torch::allclose(unit.forward(x, c_noise, {}), plain.forward((x + 1) / 2, c_noise, {}),
                          1e-12, 1e-12));
}

TEST_CASE("options of NCSN++ that contradict one another name their key", "[model][error]") {
  REQUIRE(refusal([](auto&) {}) == "accepted");
  const auto refuses = [](auto change, const char* said) {
    REQUIRE_THAT(refusal(change), Contains(said));
  };
  refuses([](auto& o) { o.resample_blocks = false; },
          "model.unet.fir: true, wants resample_blocks");
  refuses([](auto& o) { o.middle_rescale = -1; }, "model.unet.middle_rescale: -1");
  refuses([](auto& o) { o.unit_input = o.center_input = true; }, "model.unet.unit_input");
  refuses([](auto& o) { o.level_norm_groups = 3; },
          "model.unet.level_norm_groups: 3, must divide the 8 channels");
  refuses([](auto& o) { o.attention_norm_groups = 5; }, "model.unet.attention_norm_groups: 5");
  refuses([](auto& o) { o.norm_groups = -1; }, "model.unet.norm_groups: -1");
  // A quarter of 200 channels are more than 32 groups, which do not divide them.
  refuses([](auto& o) { o.channels = 100; }, "model.unet.norm_groups: 0, must divide the 200");
}
