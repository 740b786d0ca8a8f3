#include "kernels/concatenate.h"

#include "core/torch.h"
#include "tests/support/catch.h"

using namespace halcyon;

TEST_CASE("concatenation gives each part its gradient, of first and second order", "[kernels]") {
  torch::manual_seed(0);
  const auto channels_last = at::MemoryFormat::ChannelsLast;
  const auto a = torch::randn({2, 3, 4, 5}).contiguous(channels_last).requires_grad_(true);
  const auto b = torch::randn({2, 6, 4, 5}).contiguous(channels_last).requires_grad_(true);
  const auto gradients = [&](const torch::Tensor& y) {
    const auto first = torch::autograd::grad({(y * y * y).sum()}, {a, b}, {}, true, true);
    const auto second =
        torch::autograd::grad({first[0].square().sum() + first[1].square().sum()}, {a, b});
    return std::vector<torch::Tensor>{first[0], first[1], second[0], second[1]};
  };
  const auto y = concatenate_channels(a, b);
  CHECK(torch::equal(y, torch::cat({a, b}, 1)));
  const auto got = gradients(y);
  const auto want = gradients(torch::cat({a, b}, 1));
  for (size_t i = 0; i < want.size(); ++i) CHECK(torch::equal(got[i], want[i]));
  const auto first = torch::autograd::grad({(y * y).sum()}, {a}, {}, true)[0];
  CHECK(first.is_contiguous(channels_last));
}
