#pragma once

#include <torch/types.h>

#include <string>
#include <vector>

namespace halcyon {

// Numbers over pixels as colours, by OpenCV's colour maps: their lightness rises evenly with the
// number, so that they are read alike in print and by colour-blind eyes.

enum class ColourMap { viridis, inferno };

/// The numbers at the two ends of a colour map; those beyond take the colours of the ends.
struct ColourScale {
  double low = 0;
  double high = 1;
  ColourMap colours = ColourMap::viridis;
};

/// Colours of the maps [N, C, H, W], averaged over channels: uint8 [N, 3, H, W].  What is not a
/// number is gray.
torch::Tensor heat_map(const torch::Tensor& maps, const ColourScale& scale);

/// The maps laid over uint8 images of their size, in dimmed gray: where the number is low the image
/// shows through, and where it is high the colour covers it.  Result: uint8 [N, 3, H, W].
torch::Tensor heat_overlay(const torch::Tensor& maps, const torch::Tensor& images,
                           const ColourScale& scale);

/// A picture [3, H, W] with a colour bar at its right: evenly spaced tick labels, two or more, from
/// the low end to the high one, and a label that runs along the bar.
torch::Tensor with_colour_bar(const torch::Tensor& picture, ColourMap colours,
                              const std::vector<std::string>& ticks, const std::string& label);

}  // namespace halcyon
