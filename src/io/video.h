#pragma once

#include <torch/types.h>

#include <string>

namespace halcyon {

/// Whether this build has OpenCV's videoio.
bool can_write_video();

/// Writes uint8 frames [T, C, H, W], RGB or gray, as Motion-JPEG in an AVI file.
/// @throws FileError, also in a build that cannot
void write_video(const std::string& path, const torch::Tensor& frames, double frames_per_second);

}  // namespace halcyon
