#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "core/denoiser.h"

namespace halcyon {

/// The batch in which `count` images are drawn fast: all at once up to 64; else of 16, 64, 256, ...
/// images, none larger than `count`, the last one whose time per image is more than 5 % below that
/// of the one before.  `seconds_of(n)` is the time that an evaluation of n images takes.
int64_t fast_batch(int64_t count, const std::function<double(int64_t)>& seconds_of);

/// The same, by evaluations of the denoiser on images [C, H, W], each after one to warm up.  A
/// batch that there is no memory for is not chosen.
int64_t measured_batch(int64_t count, Denoiser& denoiser, const std::vector<int64_t>& shape,
                       torch::Device device);

}  // namespace halcyon
