#pragma once

#include <torch/types.h>

#include <string>

#include "core/recording_denoiser.h"

namespace halcyon {

/// What images were on their way, as STEM.png, a film strip of at most 16 of the noise levels with
/// the finished image at the end, and STEM.avi of all of them, in a build that has OpenCV's
/// videoio. samples: [B, C, H, W], the recorded first.  @throws FileError
void write_trajectory(const std::string& stem, const RecordingDenoiser::Levels& levels,
                      const torch::Tensor& samples);

}  // namespace halcyon
