#pragma once

#include <torch/types.h>

#include <functional>
#include <string>
#include <vector>

#include "core/denoiser.h"
#include "fisher/sample_moments.h"

namespace halcyon {

struct DimensionOptions {
  int64_t probes = 1;         ///< Hutchinson probes an image for FLIPD
  int64_t batch = 64;         ///< images evaluated at once
  int64_t bundle_images = 2;  ///< images whose normal bundle is decomposed; 0: none
  int64_t bundle_draws = 2;   ///< noise draws for each, in units of d
};

/// The intrinsic dimension that the noise of one level shows, three ways.
struct DimensionRow {
  double sigma = 0;
  Estimate mmse;
  Estimate flipd;
  Estimate normal_bundle;
};

/// At each of `sigmas`, on the images x0 [N, C, H, W].  3 N + bundle_images bundle_draws d forwards
/// a level; `on_level` is called with the number of levels done.
std::vector<DimensionRow> measure_dimensions(Denoiser& denoiser, const torch::Tensor& x0,
                                             const std::vector<double>& sigmas,
                                             const DimensionOptions& options, uint64_t seed,
                                             const std::function<void(int64_t)>& on_level);

/// Writes `folder`/intrinsic_dimension.csv and .png.  Returns why the plot could not be made; empty
/// if it was.  @throws FileError
std::string write_dimensions(const std::string& folder, int64_t step,
                             const std::vector<DimensionRow>& rows);

}  // namespace halcyon
