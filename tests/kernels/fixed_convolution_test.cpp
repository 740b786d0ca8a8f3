#include "kernels/fixed_convolution.h"

#include "core/torch.h"
#include "tests/support/catch.h"
#include "tests/support/relative_error.h"

using namespace halcyon;
using namespace halcyon::testing;

namespace {

struct Case {
  int64_t batch, in, out, side, size, stride, padding;
};

}  // namespace

TEST_CASE("a fixed convolution is the convolution of its weights", "[kernels][oracle]") {
  torch::manual_seed(0);
  const torch::NoGradGuard no_grad;
  const auto type = GENERATE(torch::kFloat32, torch::kBFloat16);
  const auto c =
      GENERATE(Case{1, 32, 64, 8, 3, 1, 1}, Case{3, 64, 32, 6, 1, 1, 0},
               Case{2, 16, 16, 9, 3, 2, 0}, Case{2, 1, 8, 7, 3, 1, 1}, Case{2, 8, 1, 7, 3, 1, 1});
  CAPTURE(type, c.batch, c.in, c.out, c.stride);
  const auto weight = torch::randn({c.out, c.in, c.size, c.size})
                          .to(type)
                          .contiguous(at::MemoryFormat::ChannelsLast);
  const auto bias = torch::randn({c.out}).to(type);
  const auto fixed = FixedConvolution::make(weight, bias, c.stride, c.padding);
  if (!fixed) {
    WARN("built without oneDNN, or none for this type");
    return;
  }
  for (const int64_t batch : {c.batch, c.batch + 1, c.batch}) {  // a shape, another, and again
    const auto x = torch::randn({batch, c.in, c.side, c.side}).to(type);
    const auto y = (*fixed)(x);
    const auto exact = torch::conv2d(x.to(torch::kFloat64), weight.to(torch::kFloat64),
                                     bias.to(torch::kFloat64), c.stride, c.padding);
    CHECK(y.scalar_type() == type);
    CHECK(y.is_contiguous(at::MemoryFormat::ChannelsLast));
    CHECK(relative_error(y, exact) < (type == torch::kFloat32 ? 1e-6 : 4e-3));
  }
}

TEST_CASE("a fixed convolution forgets old shapes and stays right", "[kernels]") {
  torch::manual_seed(0);
  const torch::NoGradGuard no_grad;
  const auto weight = torch::randn({16, 16, 3, 3});
  const auto bias = torch::randn({16});
  const auto fixed = FixedConvolution::make(weight, bias, 1, 1);
  if (!fixed) return;
  for (int64_t side = 2; side < 30; ++side) {
    const auto x = torch::randn({1, 16, side, 5});
    CHECK(relative_error((*fixed)(x), torch::conv2d(x, weight, bias, 1, 1)) < 1e-6);
  }
}

TEST_CASE("no convolution is fixed for numbers that oneDNN does not have", "[kernels]") {
  const auto weight = torch::randn({4, 4, 3, 3}, torch::kFloat64);
  CHECK(FixedConvolution::make(weight, weight.flatten().slice(0, 0, 4), 1, 1) == nullptr);
  CHECK_FALSE(FixedConvolution::takes(weight));
  const auto single = weight.to(torch::kFloat32);
  CHECK_FALSE(FixedConvolution::takes(single));  // derivatives may be asked for
  const torch::NoGradGuard no_grad;
  CHECK(FixedConvolution::takes(single));
}
