#pragma once

#include <torch/types.h>

#include <vector>

#include "core/denoiser.h"
#include "fisher/sample_moments.h"

namespace halcyon {

/// What an image's class adds to its score, over noise levels, and the information about the class
/// that noise destroys between the lowest and the highest of them:
///
///     dI(c; x) / d ln sigma = -sigma^2 E |s(x | c) - s(x)|^2
///
/// (de Bruijn's identity for the laws with and without the class).  For true scores the integral
/// from 0 to infinity is I(c; x_0), at most ln K of K equally frequent classes: more than that is
/// the error of the networks.  Images are independent; the levels of an image are not, and the
/// standard error takes that into account.
class ClassInformation {
 public:
  /// sigma: increasing noise levels.  @throws ConfigError as log_sigma_weights does.
  ClassInformation(std::vector<double> sigma, int64_t dim);

  /// x0: [B, ...] images, for whose classes `conditional` denoises; `unconditional` knows none.
  /// One noise draw an image and level; 2 NFE an image and level.
  void add(Denoiser& conditional, Denoiser& unconditional, const torch::Tensor& x0,
           at::Generator& rng);

  const std::vector<double>& sigma() const { return sigma_; }
  /// class_fisher_gap: sigma^2 E |s(x | c) - s(x)|^2 / d at level k.
  Estimate gap(size_t level) const;
  /// I(c; x at the lowest level) - I(c; x at the highest), in nats, trapezoidal in ln sigma.
  Estimate information() const;
  /// The same by what the class is worth to the denoiser,
  ///
  ///     dI / d ln sigma = -(E |x_0 - D(x)|^2 - E |x_0 - D(x | c)|^2) / sigma^2:
  ///
  /// noisier, but the errors of two networks count against one another where in information() they
  /// add up.
  Estimate information_of_loss() const;

 private:
  std::vector<double> sigma_;
  std::vector<double> weights_;
  int64_t dim_;
  SampleMoments moments_;  // the gap of each level, then what the loss falls by
};

}  // namespace halcyon
