#include "kernels/convolution.h"

#include "core/torch.h"
#include "kernels/fixed_convolution.h"
#include "tests/support/catch.h"
#include "tests/support/derivatives.h"
#include "tests/support/relative_error.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

struct Case {
  int64_t batch, in, out, side, size, stride, padding;
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {2, 32, 48, 8, 3, 1, 1}, {3, 48, 32, 6, 1, 1, 0}, {2, 16, 16, 9, 3, 2, 0},
      {2, 16, 24, 8, 3, 2, 1}, {2, 1, 8, 7, 3, 1, 1},   {2, 8, 3, 7, 3, 1, 1},
      {4, 16, 8, 5, 1, 2, 0},  {1, 5, 7, 1, 1, 1, 0},
  };
  return all;
}

/// x, weight and bias of numbers that bfloat16 has.
std::vector<torch::Tensor> leaves(const Case& c, at::ScalarType type) {
  torch::manual_seed(1);
  std::vector<torch::Tensor> all = {torch::randn({c.batch, c.in, c.side, c.side}, torch::kFloat64),
                                    torch::randn({c.out, c.in, c.size, c.size}, torch::kFloat64),
                                    torch::randn({c.out}, torch::kFloat64)};
  for (auto& t : all) t = t.to(torch::kBFloat16).to(type).requires_grad_(true);
  return all;
}

std::vector<torch::Tensor> values(decltype(&convolution) function, const Case& c,
                                  const std::vector<torch::Tensor>& t, bool second) {
  return with_derivatives(function(t[0], t[1], t[2], c.stride, c.padding), t, second);
}

}  // namespace

TEST_CASE("a convolution and its gradients are those of float64", "[kernels][oracle]") {
  for (const auto& c : cases()) {
    const auto want = values(convolution_composed, c, leaves(c, torch::kFloat64), false);
    const auto single = values(convolution, c, leaves(c, torch::kFloat32), false);
    const auto half = values(convolution, c, leaves(c, torch::kBFloat16), false);
    for (size_t i = 0; i < want.size(); ++i) {
      CAPTURE(c.in, c.out, c.size, c.stride, i);
      CHECK(single[i].sizes() == want[i].sizes());
      CHECK(relative_error(single[i], want[i]) < 2e-6);
      CHECK(relative_error(half[i], want[i]) < 8e-3);
    }
  }
}

TEST_CASE("a convolution is oneDNN's where the build has it", "[kernels]") {
  const auto t = leaves(cases()[0], torch::kFloat32);
  const auto name = convolution(t[0], t[1], t[2], 1, 1).grad_fn()->name();
  const bool has_onednn = FixedConvolution::make(t[1], t[2], 1, 1) != nullptr;
  CHECK((name.find("DirectConvolution") != std::string::npos) == has_onednn);
}

TEST_CASE("images and gradients that do not lie densely have the same convolution", "[kernels]") {
  for (const auto& c : cases()) {
    const auto t = leaves(c, torch::kFloat32);
    const auto x = torch::cat({t[0], t[0]}, 1).detach().narrow(1, 0, c.in).requires_grad_(true);
    const auto got = torch::autograd::grad({convolution(x, t[1], t[2], c.stride, c.padding).sum()},
                                           {x, t[1], t[2]});
    const auto exact = leaves(c, torch::kFloat64);
    const auto want = torch::autograd::grad(
        {convolution_composed(exact[0], exact[1], exact[2], c.stride, c.padding).sum()}, exact);
    for (size_t i = 0; i < want.size(); ++i) CHECK(relative_error(got[i], want[i]) < 2e-6);
  }
}

TEST_CASE("weights of either order in memory have the same convolution", "[kernels]") {
  for (const auto& c : cases()) {
    const auto plain = leaves(c, torch::kFloat32);
    auto ordered = plain;
    for (size_t i : {0, 1}) {
      ordered[i] =
          plain[i].detach().contiguous(at::MemoryFormat::ChannelsLast).requires_grad_(true);
    }
    const auto a = values(convolution, c, plain, false), b = values(convolution, c, ordered, false);
    for (size_t i = 0; i < a.size(); ++i) CHECK(relative_error(a[i], b[i]) < 1e-6);
    CHECK(b[2].strides() == ordered[1].strides());
  }
}

TEST_CASE("second derivatives of a convolution are those of the composed one", "[kernels]") {
  for (const auto& c : cases()) {
    const auto want = values(convolution_composed, c, leaves(c, torch::kFloat64), true);
    const auto got = values(convolution, c, leaves(c, torch::kFloat32), true);
    for (size_t i = 0; i < want.size(); ++i) CHECK(relative_error(got[i], want[i]) < 5e-6);
  }
}

TEST_CASE("a convolution has the gradients that are asked for", "[kernels]") {
  for (const auto& c : cases()) {
    const auto all = values(convolution, c, leaves(c, torch::kFloat32), false);
    for (size_t i = 0; i < 3; ++i) {
      auto t = leaves(c, torch::kFloat32);
      const auto y = convolution(t[0], t[1], t[2], c.stride, c.padding);
      const auto one = torch::autograd::grad({(y * y).sum()}, {t[i]})[0];
      CHECK(torch::equal(one, all[i + 1]));
      for (size_t k = 0; k < 3; ++k) t[k] = t[k].detach().requires_grad_(k == i);
      const auto alone = convolution(t[0], t[1], t[2], c.stride, c.padding);
      CHECK(torch::equal(torch::autograd::grad({(alone * alone).sum()}, {t[i]})[0], one));
    }
  }
}

TEST_CASE("a tangent passes the convolution", "[kernels]") {
  const auto c = cases()[0];
  const auto t = leaves(c, torch::kFloat32);
  const auto tangent = torch::randn_like(t[0]);
  const torch::NoGradGuard no_grad;
  const auto level = torch::autograd::forward_ad::enter_dual_level();
  const auto y = convolution(at::_make_dual(t[0].detach(), tangent, level), t[1], t[2], 1, 1);
  const auto got = std::get<1>(at::_unpack_dual(y, level)).clone();
  torch::autograd::forward_ad::exit_dual_level(level);
  const auto want = convolution_composed(tangent.to(torch::kFloat64), t[1].to(torch::kFloat64),
                                         torch::zeros({c.out}, torch::kFloat64), 1, 1);
  CHECK(relative_error(got, want) < 2e-6);
}

TEST_CASE("a convolution of float64 is LibTorch's, and so is what it refuses", "[kernels][error]") {
  const auto exact = leaves(cases()[0], torch::kFloat64);
  CHECK(convolution(exact[0], exact[1], exact[2], 1, 1).scalar_type() == torch::kFloat64);
  const auto t = leaves(cases()[0], torch::kFloat32);
  const auto &x = t[0], &weight = t[1], &bias = t[2];
  REQUIRE(convolution(x, weight, bias, 1, 1).defined());  // from here on its plan is there
  CHECK_THROWS_AS(convolution(x.to(torch::kBFloat16), weight, bias, 1, 1), c10::Error);
  CHECK_THROWS_AS(convolution(x.narrow(1, 0, 5), weight, bias, 1, 1), c10::Error);
  CHECK_THROWS_AS(convolution(x, weight, bias.narrow(0, 0, 5), 1, 1), c10::Error);
  CHECK_THROWS_AS(convolution(x.narrow(2, 0, 2), weight, bias, 2, 0), c10::Error);
}
