#include "models/layers/recompute.h"

#include "core/torch.h"
#include "tests/support/catch.h"
#include "tests/support/relative_error.h"
#include "tests/support/small_networks.h"

using namespace halcyon;
using namespace halcyon::testing;

TEST_CASE("what is recomputed draws alike again and leaves the generator as it was", "[model]") {
  auto rng = make_generator(7, "test");
  const auto weight = torch::full({}, 3.0, torch::kFloat64).requires_grad_(true);
  int64_t calls = 0;
  const auto noisy = [&](const std::vector<torch::Tensor>& in) {
    ++calls;
    return weight * in[0] * in[1] * torch::rand({5}, rng, torch::kFloat64);
  };
  const auto x = torch::rand({5}, torch::kFloat64).requires_grad_(true);
  const auto constant = torch::rand({5}, torch::kFloat64);

  const auto y = recomputed(noisy, {x, constant}, rng);
  CHECK(calls == 1);
  const auto after = rng.get_state();
  y.sum().backward();
  CHECK(calls == 2);
  CHECK(torch::equal(rng.get_state(), after));
  CHECK(torch::allclose(x.grad(), (y / x).detach(), 1e-12, 0));
  CHECK_THAT(weight.grad().item<double>(), WithinRel(y.sum().item<double>() / 3, 1e-12));
  CHECK_FALSE(constant.grad().defined());
}

TEST_CASE("a U-Net that recomputes its features has the same gradients", "[model][property]") {
  const auto type = GENERATE(torch::kFloat32, torch::kBFloat16);
  const auto gradients = [&](bool recompute) {
    auto options = small_model("unet");
    options.unet.channels = 32;
    options.unet.dropout = 0.3;
    const auto network = make_network(options, small_shape(), /*num_classes=*/3);
    randomise(*network, 3);
    auto rng = make_generator(5, "dropout");
    network->use_generator(rng);
    network->use_type(type);
    network->train();
    network->recompute_features(recompute);
    const auto x = torch::ones({4, 2, 8, 4}).cumsum(0).requires_grad_(true);
    const auto y = network->forward(x, torch::arange(4) / 4.0, torch::arange(4));
    y.square().sum().backward();
    auto values = network->parameters();
    for (auto& value : values) value = value.grad();
    values.push_back(x.grad());
    values.push_back(rng.get_state());
    return values;
  };
  const auto want = gradients(false);
  const auto got = gradients(true);
  REQUIRE(got.size() == want.size());
  for (size_t i = 0; i + 1 < want.size(); ++i) {
    CAPTURE(i);
    // Not quite equal: the embedding's gradient adds up over the blocks, in another order.
    CHECK(relative_error(got[i], want[i]) < 1e-5);
  }
  CHECK(torch::equal(got.back(), want.back()));
}
