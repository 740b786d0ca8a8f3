#include "models/layers/dropout.h"

#include <torch/torch.h>

namespace halcyon {

torch::Tensor Dropout::forward(const torch::Tensor& x) {
  if (!is_training() || p_ == 0) return x;
  TORCH_CHECK(rng_.defined(), "Dropout with p = ", p_, " in train mode needs use_generator()");
  const auto mask = torch::empty(x.sizes(), x.options()).bernoulli_(1 - p_, rng_);
  return (x * mask) / (1 - p_);
}

}  // namespace halcyon
