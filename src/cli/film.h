#pragma once

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/recording_denoiser.h"

namespace halcyon {

/// What the first images of a draw were on their way: D(x; sigma) at falling noise levels, evenly
/// spaced over the evaluations, and at the end the samples.
struct Film {
  int64_t step = 0;            ///< of the model
  std::vector<double> sigmas;  ///< [F], falling; the last is 0
  torch::Tensor frames;        ///< uint8 [F, N, C, H, W]
};

/// How many images of this size a film shows: 1 to 16, a square number.
int64_t film_images(int64_t height, int64_t width);

/// A film of at most 24 frames.  samples: [B, C, H, W], the recorded first.
Film make_film(const RecordingDenoiser::Levels& levels, const torch::Tensor& samples, int64_t step);

/// As safetensors: "sigma" [F] float64 and "frames"; the step is in the metadata.
/// @throws FileError
void write_film(const std::string& path, const Film& film);

/// @throws CheckpointError for what is no film
Film read_film(const std::string& path);

/// The frames side by side, all of one size: [3, H, F W].  Below the images of a frame is its noise
/// level.
torch::Tensor film_strip(const Film& film);

}  // namespace halcyon
