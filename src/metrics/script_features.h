#pragma once

#include <array>
#include <memory>
#include <string>
#include <utility>

#include "metrics/feature_map.h"

namespace halcyon {

/// What numbers a network takes for black and white.
enum class PixelScale { pixels, unit, symmetric };

inline constexpr std::array<std::pair<PixelScale, const char*>, 3> enum_names(PixelScale) {
  return {{{PixelScale::pixels, "pixels"},
           {PixelScale::unit, "unit"},
           {PixelScale::symmetric, "symmetric"}}};
}

struct ScriptOptions {
  std::string network = {};
  int64_t side = 299;
  PixelScale scale = PixelScale::pixels;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    field(self.network, "network",
          "TorchScript file whose features are compared, as inception-2015-12-05.pt; its code is "
          "run: name only files that you trust. Empty: built-in random convolutions");
    field(self.side, "side",
          "images are resized to this side for the network, bicubic as clean-fid does; 0: left as "
          "they are, in whole pixel values");
    field(self.scale, "scale",
          "numbers the network takes: pixels 0 to 255, unit 0 to 1, symmetric -1 to 1");
  }
};

/// The features of a TorchScript module, on a device.
///
/// forward(x) takes [B, 3, side, side], gray images repeated.  If it has an argument
/// `return_features`, that is set for features, and without it forward gives class probabilities,
/// for which `no_output_bias` is set if there is one, as StyleGAN2-ADA does for the Inception
/// score. Features may have trailing axes of length 1.
///
/// Loading and running a TorchScript file runs the program in it, in LibTorch's interpreter: it is
/// no pickle of Python objects, but still code.
///
/// @throws ConfigError for a file that cannot be loaded, a forward of other arguments, one that
/// fails on an image, or returns anything but one row of finite numbers an image.
std::unique_ptr<FeatureMap> load_script_features(const ScriptOptions& options,
                                                 torch::Device device);

}  // namespace halcyon
