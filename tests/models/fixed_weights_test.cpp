#include "core/torch.h"
#include "tests/support/catch.h"
#include "tests/support/relative_error.h"
#include "tests/support/small_networks.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

std::shared_ptr<ScoreNetwork> unet() {
  auto options = small_model("unet");
  options.unet.channels = 32;
  const auto network = make_network(options, small_shape(), /*num_classes=*/0);
  randomise(*network, 3);
  network->eval();
  network->use_type(torch::kFloat32);
  return network;
}

torch::Tensor images(int64_t count) {
  auto rng = make_generator(1, "test");
  return torch::randn({count, 2, 8, 4}, rng);
}

torch::Tensor evaluate(ScoreNetwork& network, const torch::Tensor& x) {
  return network.forward(x, torch::zeros({x.size(0)}), {});
}

}  // namespace

TEST_CASE("a network of fixed weights gives what it gave", "[model]") {
  const auto network = unet();
  const torch::NoGradGuard no_grad;
  const auto before = evaluate(*network, images(3));
  network->fix_weights();
  CHECK(relative_error(evaluate(*network, images(3)), before) < 1e-5);
  CHECK(relative_error(evaluate(*network, images(1)), before.narrow(0, 0, 1)) < 1e-5);
}

TEST_CASE("a network of fixed weights has its derivatives", "[model]") {
  const auto gradient = [](ScoreNetwork& network) {
    const auto x = images(2).requires_grad_(true);
    return torch::autograd::grad({evaluate(network, x).square().sum()}, {x})[0];
  };
  const auto network = unet();
  const auto want = gradient(*network);
  network->fix_weights();
  CHECK(torch::equal(gradient(*network), want));
}

TEST_CASE("weights are free again in another type", "[model]") {
  const auto network = unet();
  network->fix_weights();
  const torch::NoGradGuard no_grad;
  evaluate(*network, images(2));
  network->use_type(torch::kFloat32);
  randomise(*network, 4);
  const auto got = evaluate(*network, images(2));
  const auto other = unet();
  randomise(*other, 4);
  CHECK(torch::equal(got, evaluate(*other, images(2))));
}
