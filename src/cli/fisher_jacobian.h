#pragma once

#include <torch/types.h>

#include <functional>
#include <string>
#include <vector>

#include "core/denoiser.h"
#include "fisher/jacobian_level.h"

namespace halcyon {

struct JacobianOptions {
  int64_t probes = 4;        ///< even; vector-Jacobian products an image
  int64_t batch = 64;        ///< images evaluated at once
  int64_t bins = 8;          ///< of the reliability diagram
  int64_t ritz_images = 16;  ///< images whose smallest eigenvalue is sought
  int64_t ritz_steps = 24;   ///< of Lanczos, each a VJP and a JVP of these images
};

struct JacobianRow {
  JacobianEstimates estimates;
  double ritz_min = 0;  ///< smallest Ritz value of (A + A^T) / 2 over options.ritz_images images
};

/// Symmetry, positivity and second-order calibration of the denoiser's Jacobian at each of
/// `sigmas`, on the images x0 [N, C, H, W] with one noise draw each.  N (1 + probes) reverse passes
/// and N forward-mode products a level, and ritz_images ritz_steps of both; `on_level` is called
/// with the number of levels done.
std::vector<JacobianRow> measure_jacobians(Denoiser& denoiser, const torch::Tensor& x0,
                                           const std::vector<double>& sigmas,
                                           const JacobianOptions& options, uint64_t seed,
                                           const std::function<void(int64_t)>& on_level);

/// Writes `folder`/fisher_jacobian.csv, reliability.csv and reliability.png: realised against
/// predicted squared error a dimension, `dim` of them.  Returns why the plot could not be made;
/// empty if it was.  @throws FileError
std::string write_jacobians(const std::string& folder, int64_t step, int64_t dim,
                            const std::vector<JacobianRow>& rows);

}  // namespace halcyon
