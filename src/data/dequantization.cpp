#include "data/dequantization.h"

#include "core/torch.h"
#include "data/image_set.h"

namespace halcyon {

torch::Tensor dequantize(const torch::Tensor& pixels, at::Generator& rng) {
  TORCH_CHECK(pixels.scalar_type() == torch::kUInt8, "dequantize wants uint8, got ",
              pixels.scalar_type());
  const auto uniform = torch::rand(pixels.sizes(), rng, torch::kFloat32);
  return to_model_units(pixels).add_((uniform - 0.5) * kPixelBinWidth);
}

}  // namespace halcyon
