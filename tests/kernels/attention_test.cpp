#include "kernels/attention.h"

#include "core/torch.h"
#include "tests/support/catch.h"
#include "tests/support/derivatives.h"
#include "tests/support/relative_error.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

// q, k and v for N = 21, no multiple of the numbers worked on together.
std::vector<torch::Tensor> leaves(at::ScalarType type) {
  torch::manual_seed(1);
  std::vector<torch::Tensor> all;
  for (int i = 0; i < 3; ++i) {
    const auto t = (2 * torch::randn({60, 21, 8}, torch::kFloat64)).to(torch::kBFloat16);
    all.push_back(t.to(type).requires_grad_(true));
  }
  return all;
}

std::vector<torch::Tensor> values(decltype(&attention) function, at::ScalarType type, bool second) {
  const auto t = leaves(type);
  return with_derivatives(function(t[0], t[1], t[2]), t, second);
}

}  // namespace

TEST_CASE("fused attention and its gradients are those of float64", "[kernels]") {
  const auto want = values(attention_composed, torch::kFloat64, false);
  const auto single = values(attention, torch::kFloat32, false);
  const auto half = values(attention, torch::kBFloat16, false);
  const auto composed = values(attention_composed, torch::kBFloat16, false);
  for (size_t i = 0; i < want.size(); ++i) {
    CAPTURE(i);
    CHECK(relative_error(single[i], want[i]) < 2e-6);
    CHECK(relative_error(half[i], want[i]) < 1.2 * relative_error(composed[i], want[i]));
  }
}

TEST_CASE("second derivatives of fused attention are those of the composed one", "[kernels]") {
  const auto want = values(attention_composed, torch::kFloat64, true);
  const auto got = values(attention, torch::kFloat32, true);
  for (size_t i = 0; i < want.size(); ++i) CHECK(relative_error(got[i], want[i]) < 5e-6);
}

TEST_CASE("attention weights of far apart scores do not overflow", "[kernels]") {
  const auto q = torch::full({1, 4, 8}, 300.0F);
  const auto k = torch::cat({q, -q}, 1);
  const auto v = torch::cat({torch::ones({1, 4, 8}), torch::zeros({1, 4, 8})}, 1);
  CHECK(torch::allclose(attention(torch::cat({q, q}, 1), k, v), torch::ones({1, 8, 8})));
}

TEST_CASE("inputs that are one tensor have its gradient once each", "[kernels]") {
  torch::manual_seed(2);
  const auto gradient = [](at::ScalarType type, bool graph) {
    torch::manual_seed(2);
    const auto x = torch::randn({2, 5, 4}, torch::kFloat64).to(type).requires_grad_(true);
    const auto y = attention(x, 2 * x, x);
    return torch::autograd::grad({(y * y).sum()}, {x}, {}, true, graph)[0];
  };
  for (const bool graph : {false, true}) {
    CHECK(relative_error(gradient(torch::kFloat32, graph), gradient(torch::kFloat64, false)) <
          2e-6);
  }
}
