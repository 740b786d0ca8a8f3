#pragma once

#include <optional>

#include "core/gaussian_mixture.h"
#include "data/image_set.h"

namespace halcyon {

/// The Gaussian of the mean and covariance of a set's images, in model units: of 20000 of them,
/// spread evenly, where there are more.  None of images of more than 4096 numbers, or of no more
/// images than numbers.
std::optional<GaussianMixture> covariance_gaussian(const ImageSet& set);

/// The same of the variances alone, for any number of images.
/// @throws DataError for images of more than 4096 numbers.
GaussianMixture variance_gaussian(const ImageSet& set);

}  // namespace halcyon
