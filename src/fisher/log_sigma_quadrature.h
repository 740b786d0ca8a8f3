#pragma once

#include <vector>

#include "fisher/sample_moments.h"

namespace halcyon {

/// Weights w_k of the trapezoidal rule in ln sigma: the integral of f over d ln sigma is about
/// sum_k w_k f(sigma_k).  @throws ConfigError unless sigma has at least 2 levels, positive and
/// increasing.
std::vector<double> log_sigma_weights(const std::vector<double>& sigma);

/// What is known of the correlation of estimates at different levels.
enum class Levels {
  independent,   ///< each of its own images
  share_images,  ///< anything between -1 and 1: errors add in full
};

/// sum_k weights_k x_k; the standard error is an upper bound where levels share their images.
Estimate weighted_sum(const std::vector<double>& weights, const std::vector<Estimate>& x,
                      Levels levels = Levels::independent);

}  // namespace halcyon
