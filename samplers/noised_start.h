#pragma once

#include <vector>

#include "samplers/sampler.h"

namespace halcyon {

// SDEdit (Meng et al. 2022): an image is noised to a level sigma, which hides what is finer than
// sigma, and a sampler draws that anew.

/// The part of a grid from `sigma` down: sigma itself, then the levels below it.
/// @throws ConfigError naming start.sigma unless 0 < sigma <= sigmas.front(), above the last.
std::vector<double> grid_from(const std::vector<double>& sigmas, double sigma);

/// Samples first .. first + B - 1 of `seed`, from x = x0 + sigmas.front() n instead of noise alone.
/// x0: [B, ...].  Sample k does not depend on the batch that it is drawn in.
torch::Tensor draw_samples_from(const Sampler& sampler, Denoiser& denoiser, const torch::Tensor& x0,
                                const std::vector<double>& sigmas, uint64_t seed, int64_t first);

}  // namespace halcyon
