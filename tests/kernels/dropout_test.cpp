#include "kernels/dropout.h"

#include "core/torch.h"
#include "kernels/dropout_loops.h"
#include "tests/support/catch.h"

using namespace halcyon;
using namespace halcyon::testing;

static at::Generator seeded(uint64_t seed) { return at::detail::createCPUGenerator(seed); }

TEST_CASE("dropout keeps the mean and drops its share, independently", "[kernels][statistical]") {
  auto rng = seeded(1);
  constexpr int64_t kCount = 1'000'003;  // no multiple of anything
  for (const double p : {0.1, 0.5}) {
    const auto y = dropout(torch::ones({kCount}), p, rng);
    const auto dropped = (y == 0).to(torch::kFloat64);
    const double error = std::sqrt(p * (1 - p) / kCount);
    CHECK_THAT(dropped.mean().item<double>(), WithinAbs(p, 5 * error));
    CHECK(y.max().item<float>() == static_cast<float>(1 / (1 - p)));
    // Neighbours, and places a vector or a block apart, know nothing of each other.
    for (const int64_t lag : {1, 2, 16, 32, 64, 1024}) {
      CAPTURE(lag);
      const auto a = dropped.narrow(0, 0, kCount - lag) - p;
      const auto b = dropped.narrow(0, lag, kCount - lag) - p;
      CHECK_THAT((a * b).mean().item<double>(),
                 WithinAbs(0, 5 * p * (1 - p) / std::sqrt(double(kCount))));
    }
  }
}

TEST_CASE("what is dropped does not depend on how the work is parted", "[kernels]") {
  const auto x = torch::randn({1000});
  const auto whole = torch::empty_like(x);
  const auto parts = torch::empty_like(x);
  const auto run = [&](const torch::Tensor& y, int64_t first, int64_t last) {
    drop(x.data_ptr<float>(), y.data_ptr<float>(), first, last, 77, 1U << 31, 2.0F);
  };
  run(whole, 0, 1000);
  for (const auto& [first, last] : {std::pair{0, 3}, {3, 70}, {70, 129}, {129, 1000}}) {
    run(parts, first, last);
  }
  CHECK(torch::equal(whole, parts));
}

TEST_CASE("the gradient of dropout goes where the values went", "[kernels]") {
  for (const auto type : {torch::kFloat32, torch::kBFloat16}) {
    auto rng = seeded(3);
    const auto x = torch::ones({2, 32, 5, 5}).to(type).contiguous(at::MemoryFormat::ChannelsLast);
    const auto leaf = x.clone().requires_grad_(true);
    const auto y = dropout(leaf, 0.25, rng);
    const auto dx = torch::autograd::grad({y}, {leaf}, {torch::ones({2, 32, 5, 5}).to(type)})[0];
    CHECK(torch::equal(dx, y.detach()));  // of ones
    auto other = seeded(4);
    CHECK_FALSE(torch::equal(dropout(x, 0.25, other), y));
  }
}
