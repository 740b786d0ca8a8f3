#include "core/torch.h"
#include "models/registry.h"
#include "tests/support/catch.h"
#include "tests/support/relative_error.h"
#include "tests/support/small_networks.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

// A U-Net with enough channels for the fused operators, randomised, in `type`.
std::shared_ptr<ScoreNetwork> unet(at::ScalarType type) {
  auto options = small_model("unet");
  options.unet.channels = 32;
  const auto network = make_network(options, small_shape(), /*num_classes=*/0);
  randomise(*network, 3);
  network->eval();
  if (type == torch::kFloat64) {
    network->to(type);
  } else {
    network->use_type(type);
  }
  return network;
}

torch::Tensor normal(uint64_t seed, at::ScalarType type) {
  auto rng = make_generator(seed, "test");
  return torch::randn({3, 2, 8, 4}, rng).to(type);
}

torch::Tensor levels(at::ScalarType type) { return torch::tensor({-1.0, 0.0, 2.0}).to(type); }

// The result, its gradient by x and by every parameter.
std::vector<torch::Tensor> values(ScoreNetwork& network, at::ScalarType type) {
  const auto x = normal(1, type).requires_grad_(true);
  const auto y = network.forward(x, levels(type), {});
  auto leaves = network.parameters();
  leaves.insert(leaves.begin(), x);
  auto all = torch::autograd::grad({(y * normal(2, type)).sum()}, leaves);
  all.insert(all.begin(), y.detach());
  return all;
}

}  // namespace

TEST_CASE("fused operators in float32 give the network's values and gradients of float64",
          "[model][oracle]") {
  const auto want = values(*unet(torch::kFloat64), torch::kFloat64);
  const auto got = values(*unet(torch::kFloat32), torch::kFloat32);
  for (size_t i = 0; i < want.size(); ++i) {
    CAPTURE(i);
    if (want[i].norm().item<double>() < 1e-9) continue;  // of the key's bias: softmax forgets it
    CHECK(relative_error(got[i], want[i]) < 1e-4);
  }
}

TEST_CASE("in bfloat16 the network keeps two digits and float32 at its ends", "[model]") {
  const auto exact = unet(torch::kFloat64);
  const auto half = unet(torch::kBFloat16);
  const auto want = values(*exact, torch::kFloat64);
  const auto got = values(*half, torch::kFloat32);
  CHECK(got[0].scalar_type() == torch::kFloat32);
  CHECK(relative_error(got[0], want[0]) < 0.03);
  CHECK(relative_error(got[1], want[1]) < 0.05);
  int64_t reduced = 0;
  for (const auto& item : half->named_parameters()) {
    const bool norm = item.key().find("norm") != std::string::npos;
    const bool embedding = item.key().find("embed") != std::string::npos;
    CAPTURE(item.key());
    CHECK((item.value().scalar_type() == torch::kBFloat16) == !(norm || embedding));
    reduced += item.value().scalar_type() == torch::kBFloat16 ? 1 : 0;
  }
  CHECK(reduced > 20);
}

TEST_CASE("second derivatives and tangents pass the fused operators", "[model][oracle]") {
  const auto hessian_product = [](at::ScalarType type) {
    const auto network = unet(type);
    const auto x = normal(1, type).requires_grad_(true);
    const auto y = network->forward(x, levels(type), {});
    const auto first = torch::autograd::grad({y.square().sum()}, {x}, {}, true, true)[0];
    return torch::autograd::grad({(first * normal(2, type)).sum()}, {x})[0];
  };
  CHECK(relative_error(hessian_product(torch::kFloat32), hessian_product(torch::kFloat64)) < 1e-4);

  const auto tangent = [](at::ScalarType type) {
    const auto network = unet(type);
    const auto level = torch::autograd::ForwardADLevel::get_next_idx();
    const auto dual =
        torch::_make_dual(normal(1, type), normal(2, type), static_cast<int64_t>(level));
    const auto y = network->forward(dual, levels(type), {});
    const auto result = std::get<1>(torch::_unpack_dual(y, static_cast<int64_t>(level))).clone();
    torch::autograd::ForwardADLevel::release_idx(level);
    return result;
  };
  CHECK(relative_error(tangent(torch::kFloat32), tangent(torch::kFloat64)) < 1e-4);
}
