#pragma once

#include <torch/types.h>

#include <string>
#include <vector>

#include "core/denoiser.h"
#include "core/random.h"
#include "samplers/registry.h"

namespace halcyon {

/// Draws samples first .. first + shape[0] - 1 of `seed`, shape [B, C, H, W], with the sampler and
/// grid of `options`.
torch::Tensor draw_images(Denoiser& denoiser, const SamplerOptions& options,
                          const ModelRange& range, const std::vector<int64_t>& shape, uint64_t seed,
                          int64_t first, torch::Device device);

/// How often pixels are repeated so that an image of this height can be looked at.
int64_t picture_scale(int64_t height);

/// Images, uint8 [N, C, H, W], as one picture, about square, enlarged if they are small.
torch::Tensor sample_grid(const torch::Tensor& pixels);

/// Images in model units as one picture, about square, enlarged if they are small.
void write_sample_grid(const std::string& path, const torch::Tensor& x);
/// The same of uint8 pixels.
void write_pixel_grid(const std::string& path, const torch::Tensor& pixels);

/// The denoising picture: the first images of x0 [N, C, H, W] at rising noise levels, noisy above
/// what the denoiser makes of them.
void write_denoising_picture(const std::string& path, Denoiser& denoiser, const torch::Tensor& x0,
                             uint64_t seed);

}  // namespace halcyon
