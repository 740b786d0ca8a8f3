#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "fisher/gradient_moments.h"

namespace halcyon {

/// The gradient of a loss at some noise levels.
struct BandGradient {
  double sigma_low, sigma_high;
  Estimate signal;           ///< |E g|^2
  Estimate signal_to_noise;  ///< |E g|^2 / tr Cov[g] of one image
};

/// Images that a band needs.
inline constexpr int64_t kLeastInBand = GradientMoments::kGroups;

/// Of the images of a batch, noised to sigma [B], in `bands` bands of rising noise with as many
/// each, or nearly.  gradient(index) is the mean gradient [P] of the loss of those images; it is
/// asked for groups of them, an eighth of a band each, spread over its levels: tr Cov is of images
/// and noise, and of levels only as far as a group leaves them out.  B >= bands kLeastInBand.
std::vector<BandGradient> band_gradients(
    const torch::Tensor& sigma, int64_t bands,
    const std::function<torch::Tensor(const torch::Tensor& index)>& gradient);

}  // namespace halcyon
