#pragma once

#include <torch/types.h>

#include "core/denoiser.h"
#include "fisher/sample_moments.h"

namespace halcyon {

/// The loss left to the exact denoiser of the N training images at one noise level, on those
/// images:
///
///     floor = mmse(P_N) / (d sigma^2) = E |n - eps_hat_N|^2 / d
///
/// No denoiser has less on them.  For images x_0 ~ P that were not trained on it bounds the least
/// loss from below, E mmse(P_N) <= mmse(P), the mean being over training sets: mmse is concave in
/// the law of x_0 (Wu and Verdu 2012).  It is close at high noise and falls to nothing once sigma
/// is below the distances between neighbours.  There few samples carry all of it: the standard
/// error tells nothing unless many of them have more than one image to choose from.
class EmpiricalFloor {
 public:
  EmpiricalFloor(double sigma, int64_t dim);

  /// memory: the EmpiricalDenoiser of the training images, of which x0 [B, ...] are some; noise:
  /// as x0.  1 NFE.
  void add(Denoiser& memory, const torch::Tensor& x0, const torch::Tensor& noise);

  Estimate estimate() const { return moments_.mean(0); }

 private:
  double sigma_;
  int64_t dim_;
  SampleMoments moments_;
};

/// held_out eps_mse - floor, of independent samples: in the mean over training sets at least
/// sigma^2 FD / d, with FD = E |s - grad log p|^2 the Fisher divergence of the model from the law
/// of the images, which itself cannot be measured.
Estimate fisher_divergence_bound(const Estimate& held_out_eps_mse, const Estimate& floor);

}  // namespace halcyon
