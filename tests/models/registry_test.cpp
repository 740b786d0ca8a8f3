#include "models/registry.h"

#include <torch/optim.h>

#include "core/error.h"
#include "tests/support/catch.h"
#include "tests/support/small_networks.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

const auto kDouble = torch::TensorOptions(torch::kFloat64);

torch::Tensor normal(torch::IntArrayRef shape, uint64_t seed) {
  auto rng = make_generator(seed, "test");
  return torch::randn(shape, rng, kDouble);
}

const auto kBatch = [](int64_t size) -> std::vector<int64_t> { return {size, 2, 8, 4}; };

}  // namespace

TEST_CASE("every network starts at zero and keeps the shape of x", "[model][property]") {
  for (const auto& entry : model_registry()) {
    CAPTURE(entry.name);
    const auto network = make_network(small_model(entry.name), small_shape(), 0);
    const auto x = torch::randn(kBatch(3));
    REQUIRE(torch::equal(network->forward(x, torch::rand({3}), {}), torch::zeros_like(x)));
    REQUIRE(network->num_classes() == 0);
  }
}

TEST_CASE("a sample's output does not depend on its batch in eval mode", "[model][property]") {
  for (const auto& entry : model_registry()) {
    CAPTURE(entry.name);
    const auto network = small_network(entry.name);
    const auto x = normal(kBatch(4), 1);
    const auto c_noise = normal({4}, 2);
    const auto together = network->forward(x, c_noise, {}).narrow(0, 2, 1);
    const auto alone = network->forward(x.narrow(0, 2, 1), c_noise.narrow(0, 2, 1), {});
    REQUIRE(torch::allclose(together, alone, 1e-12, 1e-12));
    const auto other = network->forward(x.narrow(0, 2, 1), c_noise.narrow(0, 1, 1), {});
    REQUIRE_FALSE(torch::allclose(together, other, 1e-3, 1e-3));
  }
}

TEST_CASE("gradients by input and parameters match finite differences", "[model][oracle]") {
  for (const auto& entry : model_registry()) {
    CAPTURE(entry.name);
    const auto network = small_network(entry.name);
    auto variables = network->parameters();
    variables.push_back(normal(kBatch(2), 1).requires_grad_());
    variables.push_back(normal({2}, 2).requires_grad_());
    const auto x = variables[variables.size() - 2];
    const auto c_noise = variables.back();
    const auto w = normal(kBatch(2), 3);
    const auto f = [&] { return (w * network->forward(x, c_noise, {})).sum(); };

    std::vector<torch::Tensor> directions;
    for (const auto& v : variables) directions.push_back(normal(v.sizes(), 4));
    const auto move = [&](double step) {
      torch::NoGradGuard no_grad;
      for (size_t i = 0; i < variables.size(); ++i) variables[i].add_(directions[i], step);
    };

    const auto gradients = torch::autograd::grad({f()}, variables);
    double slope = 0;
    for (size_t i = 0; i < variables.size(); ++i) {
      slope += (gradients[i] * directions[i]).sum().item<double>();
    }
    const double h = 1e-5;
    move(h);
    const double above = f().item<double>();
    move(-2 * h);
    const double below = f().item<double>();
    REQUIRE_THAT(slope, WithinRel((above - below) / (2 * h), 1e-6));
  }
}

TEST_CASE("second derivatives and forward mode match finite differences", "[model][oracle]") {
  for (const auto& entry : model_registry()) {
    CAPTURE(entry.name);
    const auto network = small_network(entry.name);
    const auto x = normal(kBatch(2), 1).requires_grad_();
    const auto v = normal(kBatch(2), 3);
    const auto c_noise = normal({2}, 2);
    const auto run = [&](const torch::Tensor& at) { return network->forward(at, c_noise, {}); };
    const double h = 1e-5;

    const auto level = torch::autograd::ForwardADLevel::get_next_idx();
    const auto dual = run(torch::_make_dual(x, v, static_cast<int64_t>(level)));
    const auto tangent = std::get<1>(torch::_unpack_dual(dual, static_cast<int64_t>(level)));
    const auto difference = (run(x + h * v) - run(x - h * v)) / (2 * h);
    REQUIRE(torch::allclose(tangent, difference, 1e-6, 1e-8));
    torch::autograd::ForwardADLevel::release_idx(level);

    const auto gradient = [&](const torch::Tensor& at) {
      return torch::autograd::grad({run(at).square().sum()}, {at}, {}, true, true)[0];
    };
    const auto hessian_v = torch::autograd::grad({(gradient(x) * v).sum()}, {x})[0];
    REQUIRE(torch::allclose(hessian_v, (gradient(x + h * v) - gradient(x - h * v)) / (2 * h), 1e-6,
                            1e-6));
  }
}

TEST_CASE("a class label matters and an undefined one means no class", "[model][property]") {
  for (const auto& entry : model_registry()) {
    CAPTURE(entry.name);
    const auto network = small_network(entry.name, /*num_classes=*/3);
    REQUIRE(network->num_classes() == 3);
    const auto x = normal(kBatch(1), 1).expand(kBatch(4));
    const auto out = network->forward(x, torch::zeros({4}, kDouble), torch::arange(4));
    for (int64_t k = 0; k < 3; ++k) REQUIRE_FALSE(torch::allclose(out[k], out[k + 1], 1e-3, 1e-3));
    const auto unlabelled = network->forward(x, torch::zeros({4}, kDouble), {});
    REQUIRE(torch::allclose(unlabelled[0], out[3], 1e-12, 1e-12));
  }
}

TEST_CASE("every network overfits eight images", "[model][property]") {
  for (const auto& entry : model_registry()) {
    CAPTURE(entry.name);
    torch::manual_seed(1);
    const auto network = make_network(small_model(entry.name), small_shape(), 0);
    const auto x = normal(kBatch(8), 1).to(torch::kFloat32);
    const auto target = normal(kBatch(8), 2).to(torch::kFloat32);
    torch::optim::Adam adam(network->parameters(), torch::optim::AdamOptions(1e-2));
    double first = 0, last = 0;
    for (int step = 0; step < 300; ++step) {
      const auto loss = torch::mse_loss(network->forward(x, torch::zeros({8}), {}), target);
      adam.zero_grad();
      loss.backward();
      adam.step();
      last = loss.item<double>();
      if (step == 0) first = last;
    }
    REQUIRE(last < first / 10);
  }
}

TEST_CASE("an unknown model is refused with the names of the known", "[model][error]") {
  REQUIRE_THROWS_WITH(make_network(small_model("unnet"), small_shape(), 0),
                      Contains("model.name") && Contains("'unnet'") && Contains("unet mlp"));
}

TEST_CASE("a network computes in bfloat16 only if it can", "[model][error]") {
  CHECK(network_precision(small_model("unet"), Precision::bf16, torch::kCPU) == Precision::bf16);
  CHECK(network_precision(small_model("mlp"), Precision::automatic, torch::kCPU) ==
        Precision::fp32);
  CHECK_THROWS_WITH(network_precision(small_model("mlp"), Precision::bf16, torch::kCPU),
                    Contains("'mlp' works in float32 only; want fp32 or auto"));
}
