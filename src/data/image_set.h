#pragma once

#include <torch/types.h>

#include <string>
#include <vector>

namespace halcyon {

/// Images held in memory, decoded once.
struct ImageSet {
  torch::Tensor images;  // [N, C, H, W]: uint8 pixel values, or float32 already in model units
  torch::Tensor labels;  // int64 [N], or undefined where the set has none
  std::vector<std::string> class_names;  // class_names[label]; may be empty
  std::string format;                    // the name of its row in data_format_registry()
  std::vector<std::string> warnings;     // what was passed over, one line each
};

/// A text that tells this set from another: count, shape and a CRC-32 of images and labels.
std::string fingerprint(const ImageSet& set);

/// uint8 pixels u to model units in [-1, 1]: x = u / 127.5 - 1.  Float input keeps its values.
/// Any shape; returns float32.
torch::Tensor to_model_units(const torch::Tensor& images);

/// The inverse, u = 127.5 (x + 1), rounded and clamped to uint8.
torch::Tensor to_pixels(const torch::Tensor& x);

}  // namespace halcyon
