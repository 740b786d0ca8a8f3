#include "models/layers/recorded_forward.h"

#include "models/unet.h"
#include "tests/support/cuda.h"
#include "tests/support/relative_error.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

std::shared_ptr<Unet> network() {
  torch::manual_seed(4);
  UnetOptions options;
  options.channels = 32;
  options.channel_mult = {1, 2};
  options.attention_resolutions = {8};
  auto net = std::make_shared<Unet>(options, ImageShape{3, 16, 16}, /*num_classes=*/5);
  const torch::NoGradGuard no_grad;
  for (auto& parameter : net->parameters()) parameter.copy_(0.1 * torch::randn_like(parameter));
  return net;
}

}  // namespace

TEST_CASE("on the CPU nothing is replayed", "[models][cuda]") {
  RecordedForward recorded;
  recorded.turn_on({});
  const torch::NoGradGuard no_grad;
  CHECK_FALSE(recorded.applies(torch::zeros({2, 3, 4, 4})));
  const auto net = network();
  net->eval();
  const auto x = torch::randn({2, 3, 16, 16}), c = torch::randn({2});
  const auto want = net->forward(x, c, {});
  net->replay_evaluations(true);
  CHECK(torch::equal(net->forward(x, c, {}), want));
}

TEST_CASE("replayed evaluations are bitwise those that are not", "[models][cuda]") {
  HALCYON_NEEDS_CUDA();
  const auto net = network();
  net->to(torch::kCUDA);
  net->eval();
  net->use_type(torch::kBFloat16);
  const torch::NoGradGuard no_grad;
  const auto compare = [&](int64_t batch, bool labelled) {
    const auto x = torch::randn({batch, 3, 16, 16}, torch::kCUDA);
    const auto c = torch::randn({batch}, torch::kCUDA);
    const auto label =
        labelled ? torch::randint(5, {batch}, torch::kInt64).to(torch::kCUDA) : torch::Tensor();
    net->replay_evaluations(false);
    const auto want = net->forward(x, c, label);
    net->replay_evaluations(true);
    for (int i = 0; i < 4; ++i) {
      net->forward(torch::randn_like(x), c, label);
      CHECK(torch::equal(net->forward(x, c, label), want));
    }
  };
  compare(3, false);
  compare(3, true);
  compare(8, false);
  // Weights that have moved are noticed.
  const auto x = torch::randn({2, 3, 16, 16}, torch::kCUDA), c = torch::randn({2}, torch::kCUDA);
  for (int i = 0; i < 3; ++i) net->forward(x, c, {});
  for (auto& parameter : net->parameters()) parameter.set_data(2 * parameter.detach());
  const auto got = net->forward(x, c, {});
  net->replay_evaluations(false);
  CHECK(torch::equal(got, net->forward(x, c, {})));
}

TEST_CASE("gradients of a network on a GPU are those of float64 on the CPU", "[models][cuda]") {
  HALCYON_NEEDS_CUDA();
  const auto exact = network();
  const auto here = network();
  exact->to(torch::kFloat64);
  here->to(torch::kCUDA);
  const auto x = torch::randn({4, 3, 16, 16}, torch::kFloat64),
             c = torch::randn({4}, torch::kFloat64);
  const auto allowed = at::globalContext().allowTF32CuDNN();
  at::globalContext().setAllowTF32CuDNN(false);
  exact->forward(x, c, {}).square().sum().backward();
  here->forward(x.to(torch::kCUDA, torch::kFloat32), c.to(torch::kCUDA, torch::kFloat32), {})
      .square()
      .sum()
      .backward();
  at::globalContext().setAllowTF32CuDNN(allowed);
  const auto want = exact->named_parameters();
  for (const auto& item : here->named_parameters()) {
    CAPTURE(item.key());
    const auto& gradient = item.value().grad();
    if (!gradient.defined()) continue;
    CHECK(relative_error(gradient.cpu(), want[item.key()].grad()) < 1e-4);
  }
}
