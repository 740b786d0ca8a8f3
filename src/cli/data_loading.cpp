#include "cli/data_loading.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "cli/machine.h"
#include "config/text_value.h"
#include "core/error.h"
#include "core/torch.h"
#include "data/registry.h"

namespace halcyon {

static void print_warnings(const std::vector<std::string>& warnings) {
  for (const auto& warning : warnings) fmt::print(stderr, "warning: {}\n", warning);
}

ImageSet load_with_warnings(const DataOptions& options) {
  auto set = load_image_set(options);
  print_warnings(set.warnings);
  return set;
}

Model load_with_warnings(const std::string& checkpoint, const std::string& weights, int64_t label,
                         torch::Device device) {
  const ScopedMemoryReturn returned;  // weights change their order in memory
  auto model = load_model(checkpoint, weights, label, device);
  print_warnings(model.warnings);
  return model;
}

HeldOut load_held_out(const DataOptions& options,
                      const std::function<ImageSet()>& training_images) {
  if (options.split != DataSplit::train) return {training_images(), to_text(options.split)};
  auto test = options;
  test.split = DataSplit::test;
  try {
    return {load_with_warnings(test), "test"};
  } catch (const DataError& error) {
    auto images = training_images();  // first: of data that is not there it says so
    fmt::print("no test images, so training images are measured: {}\n", error.what());
    return {std::move(images), to_text(options.split)};
  }
}

ValueMoments value_moments(const ImageSet& set) {
  double sum = 0;
  double squares = 0;
  for (const auto& part : set.images.split(1024)) {  // the whole set in float64 may not fit
    const auto x = to_model_units(part).to(torch::kFloat64);
    sum += x.sum().item<double>();
    squares += x.square().sum().item<double>();
  }
  const auto count = static_cast<double>(set.images.numel());
  const double mean = sum / count;
  return {mean, std::sqrt(std::max(squares / count - mean * mean, 0.0))};
}

}  // namespace halcyon
