// The fused operators on a GPU, held against float64 on the CPU.  Without one these cases say so.
#include "tests/support/cuda.h"

#include "kernels/attention.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/recorded_work.h"
#include "kernels/dropout.h"
#include "kernels/fusion.h"
#include "tests/kernels/group_norm_cases.h"
#include "tests/support/relative_error.h"

using namespace halcyon;
using namespace halcyon::testing;

TEST_CASE("a build without CUDA refuses its kernels", "[kernels][cuda]") {
  if (cuda::built()) return;
  CHECK_THROWS_WITH(cuda::RecordedWork(torch::kCPU, [] {}), Contains("no CUDA"));
  CHECK_FALSE(cuda::RecordedWork::may_draw());
  CHECK_THROWS_WITH(cuda::sums_of_squares(nullptr, 1, nullptr, nullptr), Contains("no CUDA"));
}

TEST_CASE("the group norm of a GPU and its gradients are those of float64", "[kernels][cuda]") {
  HALCYON_NEEDS_CUDA();
  torch::manual_seed(20);
  auto cases = kGroupNormCases;
  cases.push_back({2, 192, 2, 5, 9, true, true, true});
  cases.push_back({3, 1024, 1, 2, 3, true, true, false});
  cases.push_back({3, 256, 32, 64, 48, true, true, true});
  for (const auto& c : cases) {
    for (const auto type : {torch::kFloat32, torch::kBFloat16}) {
      CAPTURE(c.batch, c.channels, c.groups, c.activate, c.add, c.scale_shift, type);
      auto exact = leaves(c);
      exact[0] = exact[0].to(type).to(torch::kFloat64);
      const auto probe = torch::randn(exact[0].sizes()).to(type).to(torch::kFloat64);
      const auto want =
          values(group_norm_composed, as(exact, torch::kFloat64, torch::kFloat64), c, probe);
      auto there = as(exact, type, torch::kFloat32);
      for (auto& t : there) {
        if (t.defined()) t = t.detach().to(torch::kCUDA).requires_grad_(true);
      }
      REQUIRE(fusable({there[0]}));
      const auto got = values(group_norm, there, c, probe.to(torch::kCUDA));
      const double rounding = type == torch::kFloat32 ? 3e-6 : 2e-3;
      for (size_t i = 0; i < want.size(); ++i) {
        CAPTURE(i);
        CHECK(relative_error(got[i].cpu(), want[i]) < (i < 2 ? rounding : 3e-6));
      }
    }
  }
}

TEST_CASE("the attention of a GPU and its gradients are those of float64", "[kernels][cuda]") {
  HALCYON_NEEDS_CUDA();
  torch::manual_seed(21);
  std::vector<torch::Tensor> exact;
  for (int i = 0; i < 3; ++i) {
    exact.push_back((2 * torch::randn({30, 77, 64})).to(torch::kBFloat16).to(torch::kFloat64));
  }
  const auto results = [&](decltype(&attention) function, torch::Device device,
                           at::ScalarType type) {
    std::vector<torch::Tensor> t;
    for (const auto& e : exact) t.push_back(e.to(device, type).requires_grad_(true));
    const auto y = function(t[0], t[1], t[2]);
    auto all = torch::autograd::grad({(y * y).sum()}, t);
    all.push_back(y.detach());
    return all;
  };
  const auto want = results(attention_composed, torch::kCPU, torch::kFloat64);
  const auto single = results(attention, torch::kCUDA, torch::kFloat32);
  const auto half = results(attention, torch::kCUDA, torch::kBFloat16);
  const auto composed = results(attention_composed, torch::kCUDA, torch::kBFloat16);
  for (size_t i = 0; i < want.size(); ++i) {
    CAPTURE(i);
    CHECK(relative_error(single[i].cpu(), want[i]) < 1e-5);
    CHECK(relative_error(half[i].cpu(), want[i]) <
          1.3 * relative_error(composed[i].cpu(), want[i]));
  }
}

TEST_CASE("dropout on a GPU has a gradient where it has values, and its share", "[kernels][cuda]") {
  HALCYON_NEEDS_CUDA();
  auto rng = at::globalContext().defaultGenerator(torch::Device(torch::kCUDA, 0)).clone();
  rng.set_current_seed(7);
  const auto x = torch::ones({1'000'003}, torch::kCUDA).requires_grad_(true);
  const auto y = dropout(x, 0.25, rng);
  const auto dx = torch::autograd::grad({y.sum()}, {x})[0];
  CHECK(torch::equal(dx, y.detach()));
  const double share = (y == 0).to(torch::kFloat64).mean().item<double>();
  CHECK_THAT(share, WithinAbs(0.25, 5 * std::sqrt(0.25 * 0.75 / 1'000'003)));
}

TEST_CASE("recorded work repeats what it did on what is there now", "[kernels][cuda]") {
  HALCYON_NEEDS_CUDA();
  auto rng = at::globalContext().defaultGenerator(torch::Device(torch::kCUDA, 0)).clone();
  rng.set_current_seed(3);
  const auto x = torch::randn({64, 64}, torch::kCUDA);
  torch::Tensor y;
  const auto work = [&] { y = dropout(x, 0.5, rng).matmul(x); };
  const auto before = rng.get_state();
  cuda::RecordedWork recorded(x.device(), work, {rng});
  CHECK(torch::equal(rng.get_state(), before));
  for (int i = 0; i < 3; ++i) {
    x.normal_();
    const auto state = rng.get_state();
    recorded.replay();
    const auto replayed = y.clone();
    rng.set_state(state);
    CHECK(torch::equal(replayed, dropout(x, 0.5, rng).matmul(x)));
  }
}
