#include "cli/evaluation_data.h"

#include <fmt/format.h>

#include "config/text_value.h"
#include "core/error.h"

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

HeldOut load_evaluation_part(const DataOptions& options, bool split_is_named, const Model& model) {
  const auto set = load_with_warnings(options);
  auto part = split_is_named ? HeldOut{set, to_text(options.split)} : load_held_out(options, set);
  require_shape(part.set, model);
  return part;
}

}  // namespace halcyon
