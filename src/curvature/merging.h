#pragma once

#include <torch/types.h>

#include <vector>

#include "curvature/curvature.h"

namespace halcyon {

/// One of several networks that become one.
struct MergePart {
  torch::Tensor theta;      ///< its parameters, [P] float64
  const Curvature* fisher;  ///< its Fisher matrix F, an image; none: 0
  double share = 1;         ///< images that it stands for, or its weight among the others, > 0
};

struct Merge {
  torch::Tensor theta;     ///< [P] float64
  int64_t iterations = 0;  ///< of conjugate gradients
  double residual = 0;     ///< |A theta - b| / |b| left of the equations A theta = b
};

/// The parameters nearest to those of all parts, each distance measured by the part's own Fisher
/// matrix:
///
///     theta = argmin sum_k n_k (theta - theta_k)^T (F_k + ridge I) (theta - theta_k)
///           = (sum_k n_k (F_k + ridge I))^-1 sum_k n_k (F_k + ridge I) theta_k
///
/// the mode of the product of the parts' Laplace posteriors N(theta_k, (n_k F_k)^-1) (Matena and
/// Raffel 2022, who keep the diagonals).  Where no F has anything to say it is the plain average,
/// and with diagonal F_k a weighted one, number by number; otherwise the equations are solved by
/// conjugate gradients, preconditioned by the mean of the parts' own inverses.  ridge > 0.
Merge merge_parameters(const std::vector<MergePart>& parts, double ridge);

}  // namespace halcyon
