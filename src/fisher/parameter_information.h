#pragma once

#include <torch/types.h>

#include <vector>

#include "core/denoiser.h"
#include "curvature/parameter_space.h"
#include "curvature/regression.h"
#include "fisher/gradient_moments.h"
#include "fisher/sample_moments.h"

namespace halcyon {

/// Traces over blocks of parameters, one after the other, and over all of them at the end, as means
/// of independent draws.
class BlockTraces {
 public:
  explicit BlockTraces(std::vector<ParameterSpace::Block> blocks);

  /// terms: [P]; a draw's trace of a block is the sum of its terms.
  void add(const torch::Tensor& terms);

  int64_t blocks() const { return static_cast<int64_t>(blocks_.size()); }
  Estimate block(int64_t i) const { return moments_.mean(i); }
  Estimate total() const { return moments_.mean(blocks()); }

 private:
  std::vector<ParameterSpace::Block> blocks_;
  SampleMoments moments_;
};

/// The Fisher information of a denoiser's parameters at some noise levels, three ways:
///
///     sampled    G = E J^T J, by targets drawn from the model itself: one gradient g = J^T xi of a
///                whole batch, xi ~ N(0, I), has E g g^T = B G, since the xi of its samples are
///                independent (as in Liu et al. 2023, the Gauss-Newton-Bartlett estimator)
///     product    G again, by E v (G v), v = +-1 (Hutchinson): the generalised Gauss-Newton matrix
///     empirical  E [J^T r r^T J], r = (D - x_0) / tau: the gradients of the data.  It is G only
///     for
///                a model that is right and a tau^2 that is the variance of its error (Kunstner et
///                al. 2019)
///
/// and of the gradients of the data their signal to noise |E g|^2 / tr Cov[g], per sample.
class ParameterInformation {
 public:
  explicit ParameterInformation(const ParameterSpace& space);

  /// 1 forward and 1 backward pass.  Batches are to be drawn anew for each draw, all of one size.
  void add_sampled(Denoiser& denoiser, const RegressionBatch& batch, at::Generator& rng);
  /// About 2 forward and 4 backward passes.
  void add_product(Denoiser& denoiser, const RegressionBatch& batch, at::Generator& rng);
  /// B backward passes.
  void add_empirical(Denoiser& denoiser, const RegressionBatch& batch);

  const BlockTraces& sampled() const { return sampled_; }
  const BlockTraces& product() const { return product_; }
  const BlockTraces& empirical() const { return empirical_; }

  /// diag G of the sampled draws, and the variance of that estimate.
  struct Diagonal {
    torch::Tensor mean, variance;  ///< [P] float64
  };
  Diagonal diagonal() const;

  /// Of the data's gradients, a sample.
  Estimate signal_to_noise() const { return data_.signal_to_noise(); }

 private:
  const ParameterSpace& space_;
  BlockTraces sampled_, product_, empirical_;
  torch::Tensor terms_, squares_;  // [P] float64: sums of sampled terms, and of their squares
  GradientMoments data_;
};

}  // namespace halcyon
