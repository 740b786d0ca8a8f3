#include "kernels/group_norm.h"

#include "core/torch.h"
#include "kernels/fusion.h"
#include "tests/kernels/group_norm_cases.h"
#include "tests/support/catch.h"
#include "tests/support/relative_error.h"

using namespace halcyon;
using namespace halcyon::testing;

TEST_CASE("the fused group norm and its gradients are those of float64", "[kernels]") {
  torch::manual_seed(0);
  for (const auto& c : kGroupNormCases) {
    CAPTURE(c.batch, c.channels, c.groups, c.activate, c.add, c.scale_shift);
    const auto exact = leaves(c);
    const auto probe = torch::randn(exact[0].sizes(), torch::kFloat64);
    const auto want =
        values(group_norm_composed, as(exact, torch::kFloat64, torch::kFloat64), c, probe);
    const auto got = values(group_norm, as(exact, torch::kFloat32, torch::kFloat32), c, probe);
    REQUIRE(got.size() == want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      CAPTURE(i);
      CHECK(relative_error(got[i], want[i]) < 2e-6);
    }
  }
}

TEST_CASE("the fused group norm of bfloat16 rounds its input and output only", "[kernels]") {
  torch::manual_seed(1);
  for (const auto& c : kGroupNormCases) {
    CAPTURE(c.batch, c.channels, c.groups, c.activate, c.add, c.scale_shift);
    auto exact = leaves(c);
    exact[0] = exact[0].to(torch::kBFloat16).to(torch::kFloat64);
    const auto probe = torch::randn(exact[0].sizes()).to(torch::kBFloat16).to(torch::kFloat64);
    const auto want =
        values(group_norm_composed, as(exact, torch::kFloat64, torch::kFloat64), c, probe);
    const auto got = values(group_norm, as(exact, torch::kBFloat16, torch::kFloat32), c, probe);
    CHECK(got[0].scalar_type() == torch::kBFloat16);
    CHECK(relative_error(got[0], want[0]) < 2e-3);  // half a unit of 8 bits, at most 2^-9
    CHECK(relative_error(got[1], want[1]) < 2e-3);
    for (size_t i = 2; i < want.size(); ++i) CHECK(relative_error(got[i], want[i]) < 2e-6);
  }
}

TEST_CASE("a large mean costs the fused group norm no digits of the spread", "[kernels]") {
  torch::manual_seed(2);
  const auto x = 1000 + torch::randn({2, 32, 16, 16}, torch::kFloat64).to(torch::kFloat32);
  const auto ones = torch::ones({32});
  const auto zeros = torch::zeros({32});
  const GroupNormTask task = {8, 1e-6, false};
  const auto got = group_norm(x, ones, zeros, task);
  const auto want = group_norm_composed(x.to(torch::kFloat64), ones, zeros, task);
  CHECK(relative_error(got, want) < 1e-4);  // 1000 rounded to 24 bits
}

TEST_CASE("second derivatives of the fused group norm are those of the composed one", "[kernels]") {
  torch::manual_seed(3);
  const GroupNormCase c = kGroupNormCases[0];
  const auto exact = leaves(c);
  const auto probe = torch::randn(exact[0].sizes(), torch::kFloat64);
  const auto curvature = [&](Norm norm, at::ScalarType type) {
    const auto t = as(exact, type, type);
    const auto y = call(norm, t, c);
    const auto first =
        torch::autograd::grad({(y * y).sum()}, {t[0]}, {}, true, /*create_graph=*/true)[0];
    return torch::autograd::grad({(first * probe.to(type)).sum()}, {t[0], t[1], t[3]});
  };
  const auto got = curvature(group_norm, torch::kFloat32);
  const auto want = curvature(group_norm_composed, torch::kFloat64);
  for (size_t i = 0; i < want.size(); ++i) CHECK(relative_error(got[i], want[i]) < 2e-5);
}

TEST_CASE("what goes past the fused group norm adds its gradient", "[kernels]") {
  torch::manual_seed(6);
  const GroupNormCase c = kGroupNormCases[1];
  const auto exact = leaves(c);
  const auto probe = torch::randn(exact[0].sizes(), torch::kFloat64);
  const auto gradient = [&](at::ScalarType type, bool graph) {
    const auto t = as(exact, type, type);
    const auto [normed, x] = group_norm_branch(t[0], t[1], t[2], {c.groups, 1e-6, true});
    const auto sum = (normed * probe.to(type)).sum() + (x * x * probe.to(type)).sum();
    return torch::autograd::grad({sum}, {t[0]}, {}, true, graph)[0];
  };
  for (const bool graph : {false, true}) {
    CHECK(relative_error(gradient(torch::kFloat32, graph), gradient(torch::kFloat64, graph)) <
          2e-6);
  }
  const auto t = as(exact, torch::kFloat32, torch::kFloat32);
  const auto past = group_norm_branch(t[0], t[1], t[2], {c.groups, 1e-6, true}).x;
  CHECK(torch::equal(torch::autograd::grad({past.sum()}, {t[0]})[0], torch::ones_like(t[0])));
}

TEST_CASE("a tangent passes the group norm", "[kernels]") {
  torch::manual_seed(4);
  const GroupNormCase c = kGroupNormCases[0];
  const auto exact = as(leaves(c), torch::kFloat32, torch::kFloat32);
  const auto tangent = torch::randn_like(exact[0]);
  torch::NoGradGuard no_grad;
  const auto level = torch::autograd::forward_ad::enter_dual_level();
  const auto dual = at::_make_dual(exact[0].detach(), tangent, level);
  CHECK_FALSE(fusable({dual}));
  const auto y = group_norm(dual, exact[1], exact[2], {c.groups, 1e-6, true});
  const auto got = std::get<1>(at::_unpack_dual(y, level)).clone();
  torch::autograd::forward_ad::exit_dual_level(level);
  const double h = 1e-4;
  const auto at = [&](double shift) {
    return group_norm_composed(exact[0].detach().to(torch::kFloat64) + shift * tangent, exact[1],
                               exact[2], {c.groups, 1e-6, true});
  };
  CHECK(relative_error(got, (at(h) - at(-h)) / (2 * h)) < 1e-5);
}

TEST_CASE("what is not a number stays so through the group norm", "[kernels]") {
  for (const auto type : {torch::kFloat32, torch::kBFloat16}) {
    auto x = torch::randn({2, 32, 4, 4}).to(type);
    x[1][0][0][0] = std::nan("");
    const auto y = group_norm(x, torch::ones({32}), torch::zeros({32}), {8, 1e-6, true});
    CHECK_FALSE(torch::isnan(y[0]).any().item<bool>());
    CHECK(torch::isnan(y[1].narrow(0, 0, 4)).all().item<bool>());
    CHECK_FALSE(torch::isnan(y[1].narrow(0, 4, 28)).any().item<bool>());
  }
}
