#include "data/image_set.h"

#include <torch/torch.h>

namespace halcyon {

torch::Tensor to_model_units(const torch::Tensor& images) {
  if (images.is_floating_point()) return images.to(torch::kFloat32);
  TORCH_CHECK(images.scalar_type() == torch::kUInt8, "to_model_units wants uint8 or float, got ",
              images.scalar_type());
  return images.to(torch::kFloat32).div_(127.5).sub_(1);
}

torch::Tensor to_pixels(const torch::Tensor& x) {
  return x.add(1).mul_(127.5).round_().clamp_(0, 255).to(torch::kUInt8);
}

}  // namespace halcyon
