#include "cli/evaluation_data.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/text_value.h"
#include "core/error.h"
#include "core/random.h"
#include "core/torch.h"

namespace halcyon {

void require_shape(const ImageSet& set, const Model& model) {
  const auto found = set.images.sizes().slice(1);
  const std::vector<int64_t> wanted = {model.shape.channels, model.shape.height, model.shape.width};
  if (found == torch::IntArrayRef(wanted)) return;
  throw DataError(fmt::format(
      "data.path: images of {}x{}x{} do not fit the model's {}x{}x{}; want data.channels and "
      "data.size of the model",
      found[0], found[1], found[2], wanted[0], wanted[1], wanted[2]));
}

bool names_key(const Arguments& arguments, const std::string& key) {
  return std::any_of(arguments.begin(), arguments.end(), [&](const std::string& argument) {
    return argument == "--" + key || argument.rfind("--" + key + "=", 0) == 0;
  });
}

HeldOut load_measured(const DataOptions& options, bool split_is_named, const Model& model) {
  auto part = [&]() -> HeldOut {
    if (split_is_named) return {load_with_warnings(options), to_text(options.split)};
    auto whole = options;
    whole.limit = 0;  // of the training images
    if (whole.channels == 0) whole.channels = model.shape.channels;
    return load_held_out(whole, [&] { return load_with_warnings(options); });
  }();
  require_shape(part.set, model);
  return part;
}

torch::Tensor image_order(int64_t count, uint64_t seed) {
  auto rng = make_generator(seed, "evaluation images");
  return torch::randperm(count, rng, torch::kInt64);
}

MeasuredImages choose_images(const ImageSet& set, int64_t count, uint64_t seed,
                             Dequantization dequantization) {
  const auto order = image_order(set.images.size(0), seed);
  const auto index = order.narrow(0, 0, std::min(count, order.size(0)));
  const auto pixels = set.images.index_select(0, index);
  auto rng = make_generator(seed, "dequantization");
  return {
      dequantization == Dequantization::uniform ? dequantize(pixels, rng) : to_model_units(pixels),
      set.labels.defined() ? set.labels.index_select(0, index) : set.labels};
}

}  // namespace halcyon
