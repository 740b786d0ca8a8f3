#include "training/optimizer.h"

#include "core/error.h"
#include "core/random.h"
#include "tests/support/catch.h"
#include "training/ema.h"
#include "training/flat_parameters.h"

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
    adam.update(ours, gradient, options, 0.05, step);
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
  REQUIRE_THAT(clip_gradient(gradient, 10), WithinRel(5, 1e-6));
  REQUIRE(torch::allclose(gradient, torch::tensor({3.0, 4.0})));
  REQUIRE_THAT(clip_gradient(gradient, 1), WithinRel(5, 1e-6));
  REQUIRE(torch::allclose(gradient, torch::tensor({0.6, 0.8})));
  REQUIRE_THAT(clip_gradient(gradient, 0), WithinRel(1, 1e-6));
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
  REQUIRE(torch::equal(flat.views(flat.gradients()).at("2.bias"), torch::full({2}, 4.0)));
  {
    const ScopedValues zeros(flat, torch::zeros_like(flat.values()));
    REQUIRE(net->forward(x).abs().max().item<double>() == 0);
  }
  REQUIRE(torch::equal(net->forward(x), before));
}
