#pragma once

#include <torch/types.h>

#include <vector>

#include "curvature/curvature.h"

namespace halcyon {

/// What N images leave open about a network's parameters, near those that were learnt:
///
///     theta ~ N(theta*, Sigma),   Sigma = (N F + p I)^-1
///
/// with F the Fisher matrix of an image and p the precision of the prior N(0, I / p) (Laplace's
/// approximation: MacKay 1992; with Kronecker factors Ritter et al. 2018).  Blocks that are not
/// free stay as they were learnt, as all but the last layer's do in the cheapest of the forms in
/// Daxberger et al. 2021.
class LaplacePosterior {
 public:
  /// free: of each block of `fisher`; empty: all.
  LaplacePosterior(const Curvature& fisher, int64_t images, std::vector<bool> free = {});

  /// Numbers that are free.
  int64_t dim() const;

  /// gamma(p) = sum_i N lambda_i / (N lambda_i + p): how many numbers the images determine.
  double effective_parameters(double prior) const;

  /// The p of the largest evidence given theta* [P]: p |theta*|^2 = gamma(p) over what is free
  /// (MacKay 1992).  Has exactly one solution unless F or theta is 0.
  double evidence_prior(const torch::Tensor& theta) const;

  /// Sigma^1/2 z: of z ~ N(0, I) [P] a step from theta* to a draw.
  torch::Tensor step(const torch::Tensor& z, double prior) const;

 private:
  const Curvature& fisher_;
  double images_;
  std::vector<bool> free_;
};

}  // namespace halcyon
