#include "models/layers/fir.h"

#include "core/torch.h"

namespace halcyon {

// Filters are made where x is: a copy from the CPU could not be recorded for replay.

torch::Tensor fir_halved(const torch::Tensor& x) {
  auto k = torch::ones({4}, x.options());
  k.slice(0, 1, 3).fill_(3);
  const auto filters = (torch::outer(k, k) / 64).expand({x.size(1), 1, 4, 4});
  return torch::conv2d(x, filters, {}, /*stride=*/2, /*padding=*/1, /*dilation=*/1,
                       /*groups=*/x.size(1));
}

// By the pixels 2 i and 2 i + 1 apart: LibTorch 1.13 gives a transposed convolution in bfloat16
// the size of one that is not.
torch::Tensor fir_doubled(const torch::Tensor& x) {
  auto k = torch::zeros({2, 3}, x.options());
  k.select(1, 1).fill_(3);
  k[0][0].fill_(1);
  k[1][2].fill_(1);
  const auto both = k.view({2, 1, 3, 1}) * k.view({1, 2, 1, 3}) / 16;
  const auto filters = both.view({4, 1, 3, 3}).repeat({x.size(1), 1, 1, 1});
  const auto apart = torch::conv2d(x, filters, {}, /*stride=*/1, /*padding=*/1, /*dilation=*/1,
                                   /*groups=*/x.size(1));
  return torch::pixel_shuffle(apart, 2);
}

}  // namespace halcyon
