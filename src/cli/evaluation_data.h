#pragma once

#include <string>

#include "checkpoint/checkpoint.h"
#include "cli/command_line.h"
#include "cli/data_loading.h"
#include "data/dequantization.h"

namespace halcyon {

/// Whether the arguments have --key.
bool names_key(const Arguments& arguments, const std::string& key);

/// @throws DataError unless the images are of the model's shape.
void require_shape(const ImageSet& set, const Model& model);

/// What the command line says of the data; what it leaves open is as the model was trained.
/// `command` is one with a section `data`, at its defaults.
template <class Command>
DataOptions data_options(const char* usage, Command command, const Arguments& arguments,
                         const Model& model) {
  command.data = model.recipe.data;
  parse_command_line(usage, command, arguments);
  return command.data;
}

/// The images to measure a model on: the split that the user named, or else all of the test part if
/// there is one.  @throws DataError unless they have the model's shape.
HeldOut load_measured(const DataOptions& options, bool split_is_named, const Model& model);

/// The order in which commands take their images from a set of `count`: int64 [count].
torch::Tensor image_order(int64_t count, uint64_t seed);

/// Images in that order.
struct MeasuredImages {
  torch::Tensor x0;      ///< [N, C, H, W] float32 in model units
  torch::Tensor labels;  ///< [N], or undefined
};

/// The first `count` images of the order that `seed` gives the set, or all; 8-bit pixels with the
/// noise of `dequantization`.
MeasuredImages choose_images(const ImageSet& set, int64_t count, uint64_t seed,
                             Dequantization dequantization);

}  // namespace halcyon
