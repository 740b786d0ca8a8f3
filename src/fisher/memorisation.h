#pragma once

#include <torch/types.h>

#include "core/denoiser.h"
#include "fisher/sample_moments.h"

namespace halcyon {

/// Whether a denoiser learnt the law of its training images or the images, at one noise level.  All
/// in units of eps_mse, E |n - eps_hat|^2 / d, so that noise alone is 1.
struct MemorisationEstimates {
  double sigma = 0;
  int64_t dim = 0;

  Estimate train_loss;     ///< eps_mse on training images
  Estimate held_out_loss;  ///< eps_mse on others
  Estimate floor;          ///< eps_mse of the exact denoiser of the training images, on them
  /// E |eps_hat - eps_hat_N|^2 / d = sigma^2 FD / d, FD being the Fisher divergence from the score
  /// of the noised training images; its mean is train_loss - floor (Xu et al. 2025), its error far
  /// smaller.
  Estimate gap;
  Estimate generalisation_gap;  ///< held_out_loss - train_loss
  Estimate excess;              ///< held_out_loss - floor: see fisher_divergence_bound()
  /// 1 - gap / excess, in the mean (held_out_loss - train_loss) / (held_out_loss - floor): of what
  /// there is to gain by memorising, the part that was gained.  1 for the exact denoiser of the
  /// training images, 0 for one to which they are as good as others.  Empty, of count 0, where
  /// excess is within five of its standard errors of 0, as at high noise, where the two scores are
  /// one: the ratio has no finite error there.
  Estimate memorisation;

  /// memorisation above 1/2 by more than five standard errors: nearer to the memorising score, as
  /// far as the samples can tell.
  bool memorises() const;
};

/// Accumulates batches at one noise level: construct, add batches of both kinds, read.  Samples
/// must be independent: one noise draw an image.
class MemorisationLevel {
 public:
  MemorisationLevel(double sigma, int64_t dim);

  /// x0, noise: [B, ...] of training images; memory: their EmpiricalDenoiser.  1 NFE of each.
  void add_training(Denoiser& model, Denoiser& memory, const torch::Tensor& x0,
                    const torch::Tensor& noise);

  /// x0, noise: [B, ...] of images that were not trained on.  1 NFE.
  void add_held_out(Denoiser& model, const torch::Tensor& x0, const torch::Tensor& noise);

  /// Wants at least two samples of each kind.
  MemorisationEstimates estimates() const;

 private:
  double sigma_;
  int64_t dim_;
  SampleMoments training_;
  SampleMoments held_out_;
};

}  // namespace halcyon
