#include "training/optimizer.h"

#include <torch/nn.h>
#include <torch/optim.h>

#include "core/error.h"
#include "core/random.h"
#include "tests/support/catch.h"
#include "training/adamw.h"
#include "training/ema.h"
#include "training/flat_parameters.h"
#include "training/parameter_update.h"

using namespace halcyon;
using namespace halcyon::testing;

TEST_CASE("AdamW takes the steps of LibTorch's AdamW", "[training][oracle]") {
  auto rng = make_generator(1, "test");
  const auto start = torch::randn({50}, rng, torch::kFloat64);
  auto theirs = start.clone().requires_grad_(true);
  const auto ours = start.clone();
  OptimizerOptions options;
  options.learning_rate = 0.05;
  options.weight_decay = 0.1;
  torch::optim::AdamW reference({theirs}, torch::optim::AdamWOptions(0.05).weight_decay(0.1));
  AdamW adam(ours);
  for (int64_t step = 1; step <= 20; ++step) {
    const auto gradient = torch::randn({50}, rng, torch::kFloat64);
    theirs.mutable_grad() = gradient;
    reference.step();
    adam.update({ours, gradient, 0.05, step}, options);
  }
  REQUIRE(torch::allclose(ours, theirs.detach(), /*rtol=*/1e-12, /*atol=*/1e-12));
}

TEST_CASE("the learning rate warms up and decays between its corners", "[training][oracle]") {
  OptimizerOptions options;
  options.learning_rate = 2;
  options.warmup_steps = 10;
  REQUIRE(learning_rate(options, 1, 100) == 0.2);
  REQUIRE(learning_rate(options, 10, 100) == 2);
  REQUIRE(learning_rate(options, 100, 100) == 2);
  options.decay = LearningRateDecay::cosine;
  REQUIRE_THAT(learning_rate(options, 55, 100), WithinRel(1, 1e-12));
  REQUIRE_THAT(learning_rate(options, 100, 100), WithinAbs(0, 1e-12));
  options.warmup_steps = 0;
  REQUIRE(learning_rate(options, 0, 100) == 2);
}

TEST_CASE("clipping keeps the direction and limits the norm", "[training][oracle]") {
  const auto gradient = torch::tensor({3.0, 4.0});
  clip_gradient(gradient, 5, 10);
  REQUIRE(torch::allclose(gradient, torch::tensor({3.0, 4.0})));
  clip_gradient(gradient, 5, 0);
  REQUIRE(torch::allclose(gradient, torch::tensor({3.0, 4.0})));
  clip_gradient(gradient, 5, 1);
  REQUIRE(torch::allclose(gradient, torch::tensor({0.6, 0.8})));
}

TEST_CASE("an average forgets half of its start in one half-life", "[training][oracle]") {
  const auto zero = torch::zeros({3}, torch::kFloat64);
  const auto one = torch::ones({3}, torch::kFloat64);
  Ema ema(640, /*rampup=*/0, zero);
  for (int k = 1; k <= 10; ++k) ema.update(one, 64, 64 * k);
  REQUIRE_THAT(ema.average[0].item<double>(), WithinRel(0.5, 1e-12));
  for (int k = 11; k <= 30; ++k) ema.update(one, 64, 64 * k);
  REQUIRE_THAT(ema.average[0].item<double>(), WithinRel(1 - 0.125, 1e-12));
  // With ramp-up the first step looks back over 5 % of one batch only: the start is forgotten.
  Ema ramped(640, /*rampup=*/0.05, zero);
  ramped.update(one, 64, 64);
  REQUIRE_THAT(ramped.average[0].item<double>(), WithinRel(1 - std::pow(0.5, 20), 1e-12));
  REQUIRE_THROWS_AS(Ema(0, 0, zero), ConfigError);
}

TEST_CASE("options out of range are refused by name", "[training][error]") {
  OptimizerOptions options;
  options.beta2 = 1;
  REQUIRE_THROWS_WITH(check_options(options), Contains("optimizer.beta2") && Contains("[0, 1)"));
  options = {};
  options.learning_rate = 0;
  REQUIRE_THROWS_AS(check_options(options), ConfigError);
}

TEST_CASE("flattened parameters are views that the module goes on using", "[training][property]") {
  torch::nn::Sequential net(torch::nn::Linear(3, 5), torch::nn::SiLU(), torch::nn::Linear(5, 2));
  const auto x = torch::ones({4, 3});
  const auto before = net->forward(x);
  FlatParameters flat(*net);
  REQUIRE(flat.count() == 3 * 5 + 5 + 5 * 2 + 2);
  REQUIRE(torch::equal(net->forward(x), before));

  net->forward(x).sum().backward();
  flat.collect_gradients();
  REQUIRE(torch::equal(flat.views(flat.collected()).at("2.bias"), torch::full({2}, 4.0)));
  {
    const ScopedValues zeros(flat, torch::zeros_like(flat.values()));
    REQUIRE(net->forward(x).abs().max().item<double>() == 0);
  }
  REQUIRE(torch::equal(net->forward(x), before));
}

namespace {

// A convolution and a linear map with gradients, laid flat; `type` of the convolution's copies.
struct Updated {
  torch::nn::Sequential net{torch::nn::Conv2d(3, 17, 3), torch::nn::Linear(5, 7)};
  FlatParameters parameters{*net};
  AdamW optimizer{parameters.values()};
  std::vector<Ema> averages = {Ema(100, 0, parameters.values()), Ema(900, 0, parameters.values())};

  explicit Updated(at::ScalarType type) {
    auto rng = make_generator(3, "test");
    parameters.values().copy_(torch::randn(parameters.values().sizes(), rng));
    for (auto& ema : averages) ema.average.zero_();
    for (auto& parameter : net->ptr(0)->parameters()) {
      if (type != torch::kFloat32) parameter.set_data(parameter.detach().to(type));
    }
  }

  void draw_gradients(int64_t step) {
    auto rng = make_generator(5, "gradient", static_cast<uint64_t>(step));
    parameters.clear_gradients();
    for (auto& slot : parameters.slots()) {
      auto parameter = slot.parameter;
      parameter.mutable_grad() = torch::empty_like(parameter).copy_(torch::randn(slot.shape, rng));
    }
  }
};

}  // namespace

TEST_CASE("the update in one pass is clipping, AdamW and the averages one by one",
          "[training][oracle]") {
  for (const auto type : {torch::kFloat32, torch::kBFloat16}) {
    CAPTURE(type);
    Updated one(type), other(type);
    OptimizerOptions options;
    options.weight_decay = 0.1;
    for (int64_t step = 1; step <= 5; ++step) {
      one.draw_gradients(step);
      other.draw_gradients(step);
      const double norm = gradient_norm(one.parameters);
      other.parameters.collect_gradients();
      const auto gradient = other.parameters.collected();
      CHECK_THAT(norm, WithinRel(gradient.norm().item<double>(), 1e-6));
      options.gradient_clip = step < 3 ? 0.5 * norm : 2 * norm;

      update_parameters(one.parameters, one.optimizer, one.averages, options, norm,
                        {step, 10, 10 * step, 0.01});
      clip_gradient(gradient, norm, options.gradient_clip);
      other.optimizer.update({other.parameters.values(), gradient, 0.01, step}, options);
      for (auto& ema : other.averages) ema.update(other.parameters.values(), 10, 10 * step);

      const auto close = [](const torch::Tensor& a, const torch::Tensor& b) {
        return torch::allclose(a, b, /*rtol=*/1e-5, /*atol=*/1e-6);
      };
      REQUIRE(close(one.parameters.values(), other.parameters.values()));
      REQUIRE(close(one.optimizer.mean, other.optimizer.mean));
      REQUIRE(close(one.optimizer.square, other.optimizer.square));
      REQUIRE(close(one.averages[0].average, other.averages[0].average));
      REQUIRE(close(one.averages[1].average, other.averages[1].average));
      for (const auto& slot : one.parameters.slots()) {
        REQUIRE(torch::equal(slot.parameter.detach(),
                             slot.view(one.parameters.values()).to(slot.parameter.scalar_type())));
      }
    }
  }
}

TEST_CASE("gradients that were collected are used like those of one part", "[training][property]") {
  Updated whole(torch::kFloat32), parts(torch::kFloat32);
  const OptimizerOptions options;
  whole.draw_gradients(1);
  parts.draw_gradients(1);
  parts.parameters.collect_gradients();
  for (auto* each : {&whole, &parts}) {
    const double norm = gradient_norm(each->parameters);
    update_parameters(each->parameters, each->optimizer, each->averages, options, norm,
                      {1, 10, 10, 0.01});
  }
  REQUIRE(torch::equal(whole.parameters.values(), parts.parameters.values()));
}
