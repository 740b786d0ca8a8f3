#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

#include "metrics/metric_estimate.h"

namespace halcyon {

/// How many times images of these sides are halved, plus one: as long as a level is 14 pixels wide,
/// twice a patch.  Of powers of two the last level is 16 wide, as in Karras et al. 2018.
int64_t pyramid_levels(int64_t height, int64_t width);

/// The Laplacian pyramid of images [N, C, H, W] (Burt and Adelson 1983): every level but the last
/// is what a blur and a halving take away, the last is what is left.  The levels, each enlarged and
/// added to the one before, give the images back.
std::vector<torch::Tensor> laplacian_pyramid(const torch::Tensor& images, int64_t levels);

struct PyramidOptions {
  int64_t patches = 128;      ///< of each image and level
  int64_t projections = 512;  ///< directions of the sliced distance
  int64_t parts = 8;          ///< disjoint parts of the sets that give the errors
};

struct PyramidDistances {
  std::vector<int64_t> heights;        ///< of the levels, from fine to coarse
  std::vector<MetricEstimate> levels;  ///< of each level
  MetricEstimate mean;
};

/// Sliced Wasserstein-1 distance of 7 x 7 patches (or as large as the image) at random places,
/// level by level (Karras et al. 2018, section 5 and appendix B), from sets of images [N, C, H, W]
/// of one N in model units.  The patches of a set and a level are first given mean 0 and variance 1
/// in every channel, so that brightness and contrast of the sets do not count.  Karras et al. print
/// 1000 times this.
PyramidDistances pyramid_distances(const torch::Tensor& a, const torch::Tensor& b,
                                   const PyramidOptions& options, at::Generator rng);

}  // namespace halcyon
