#pragma once

#include <functional>
#include <string>

#include "checkpoint/checkpoint.h"
#include "data/data_options.h"
#include "data/image_set.h"

namespace halcyon {

/// Loads a set and prints its warnings.
ImageSet load_with_warnings(const DataOptions& options);

/// load_model(), and prints what was odd about the images that an empirical denoiser is made of.
Model load_with_warnings(const std::string& checkpoint, const std::string& weights, int64_t label,
                         torch::Device device);

struct HeldOut {
  ImageSet set;
  std::string split;  ///< test, or that of the training images where there is no test part
};

/// The images to measure a model on that is trained on `options`: the test part of the set if it
/// has one, and else the training images, which is said in a line.
HeldOut load_held_out(const DataOptions& options, const std::function<ImageSet()>& training_images);

/// Of all numbers of a set, in model units.
struct ValueMoments {
  double mean;
  double standard_deviation;
};
ValueMoments value_moments(const ImageSet& set);

}  // namespace halcyon
