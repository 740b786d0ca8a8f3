#include "data/image_set.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <zlib.h>

#include "core/torch.h"

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

std::string fingerprint(const ImageSet& set) {
  uLong crc = crc32(0, nullptr, 0);
  for (const auto& tensor : {set.images, set.labels}) {
    if (!tensor.defined()) continue;
    const auto bytes = tensor.contiguous();
    crc = crc32_z(crc, static_cast<const Bytef*>(bytes.data_ptr()), bytes.nbytes());
  }
  return fmt::format("{} images of {}, crc32 {:08x}", set.images.size(0),
                     fmt::join(set.images.sizes().slice(1), "x"), crc);
}

}  // namespace halcyon
