#include "cli/start_images.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/data_loading.h"
#include "core/error.h"
#include "core/require.h"
#include "core/torch.h"
#include "data/image_set.h"

namespace halcyon {

torch::Tensor StartImages::of(int64_t first, int64_t size) const {
  const auto index = torch::arange(first, first + size, torch::kInt64).floor_divide(copies);
  return images.index_select(0, index.to(images.device()));
}

ImageSet load_fitting(const std::string& path, const char* key, int64_t limit, const Model& model) {
  const auto& shape = model.shape;
  DataOptions options;
  options.path = path;
  options.limit = limit;
  if (shape.channels == 1 || shape.channels == 3) options.channels = shape.channels;
  if (shape.height == shape.width) options.size = shape.height;
  auto set = load_with_warnings(options);
  const auto found = set.images.sizes().slice(1);
  if (found != torch::IntArrayRef({shape.channels, shape.height, shape.width})) {
    throw DataError(fmt::format("{}: {} has images of {}; want those of the model, {}x{}x{}", key,
                                path, fmt::join(found, "x"), shape.channels, shape.height,
                                shape.width));
  }
  return set;
}

StartImages load_start_images(const StartSection& section, const Model& model,
                              torch::Device device) {
  require_option(section.sigma > 0, "start.sigma", "a number > 0", section.sigma);
  require_option(section.copies > 0, "start.copies", "a whole number > 0", section.copies);
  require_option(section.limit >= 0, "start.limit", "a whole number >= 0", section.limit);
  const auto set = load_fitting(section.image, "start.image", section.limit, model);
  return {to_model_units(set.images).to(device), fingerprint(set), section.copies};
}

}  // namespace halcyon
