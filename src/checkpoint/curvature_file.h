#pragma once

#include <string>

#include "curvature/curvature.h"
#include "io/safetensors.h"

namespace halcyon {

// A curvature file is a safetensors file.  For every block it holds BLOCK.eigenvalues and, where
// the block has them, BLOCK.left and BLOCK.right; its metadata say under "block.BLOCK" how many
// rows the block has and which parameters lie in it side by side, with spaces between.

/// Writes atomically, in float32.  `about` is what else the metadata say.  @throws FileError
void write_curvature(const std::string& path, const Curvature& curvature, Metadata about);

/// What the metadata call the network, as network_fingerprint() has it.
constexpr const char* kFittedTo = "network";
/// @throws CheckpointError if a file's metadata name another network.
void require_fitted_to(const std::string& path, const Metadata& about,
                       const std::string& fingerprint);

/// The curvature of a network with the parameters of `space`, on its device.
/// @throws CheckpointError naming the file and what does not fit, and for a matrix that is 0
Curvature read_curvature(const std::string& path, const ParameterSpace& space);

}  // namespace halcyon
