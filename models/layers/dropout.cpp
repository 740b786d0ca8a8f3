#include "models/layers/dropout.h"

#include "core/torch.h"
#include "kernels/dropout.h"

namespace halcyon {

torch::Tensor Dropout::forward(const torch::Tensor& x) {
  if (!is_training() || p_ == 0) return x;
  TORCH_CHECK(rng_.defined(), "Dropout with p = ", p_, " in train mode needs use_generator()");
  return dropout(x, p_, rng_);
}

}  // namespace halcyon
