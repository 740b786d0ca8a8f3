#pragma once

#include <torch/types.h>

#include <array>
#include <utility>

#include "fisher/controlled_moments.h"
#include "fisher/fisher_estimates.h"
#include "fisher/mean_score.h"

namespace halcyon {

/// What takes the noise of the draws out of the estimates.  Both controls have mean 0 for any
/// network: kappa_1 = |n|^2 - d and kappa_2 = (x_0 - mean image) . n.
enum class ControlVariates {
  none,
  plug_in,    ///< kappa_1 with the coefficient that is best for isotropic Gaussian data
  regression  ///< both, with least-squares coefficients
};

inline constexpr std::array<std::pair<ControlVariates, const char*>, 3> enum_names(
    ControlVariates) {
  return {{{ControlVariates::none, "none"},
           {ControlVariates::plug_in, "plug_in"},
           {ControlVariates::regression, "regression"}}};
}

/// A batch and what a denoiser made of it: each [B, ...] but sigma [B].
struct DenoisedBatch {
  torch::Tensor x0, noise, sigma;  ///< x = x_0 + sigma n was denoised
  torch::Tensor denoised;          ///< D(x; sigma)
  torch::Tensor trace = {};        ///< [B] estimate of tr grad_x D, or undefined
};

/// Sums over samples of one noise level, or of a narrow range of them, from which FisherEstimates
/// follow.  Nothing here evaluates a network: on batches of training and validation it is free of
/// cost but for O(d) a sample.  Samples must be independent: one noise draw an image.
class ScoreMoments {
 public:
  /// `probes` are those behind `trace`; 0: it is not there.  `mean_image`: [...] as one image, for
  /// kappa_2; any fixed image serves, the mean of the data best; undefined: 0.
  ScoreMoments(int64_t dim, int64_t probes, ControlVariates controls,
               torch::Tensor mean_image = {});

  void add(const DenoisedBatch& batch);

  int64_t count() const { return moments_.count(); }

  /// sigma is the geometric mean of the samples'; estimates with units follow from the
  /// dimensionless ones by it.  @throws c10::Error with fewer than 4 samples.
  FisherEstimates estimates() const;

  TensorMap state() const;
  /// @throws CheckpointError unless `state` is of this dimension.
  void load(const TensorMap& state);

 private:
  int64_t dim_;
  int64_t probes_;
  torch::Tensor mean_image_;  // [d]
  ControlledMoments moments_;
  SampleMoments log_sigma_;
  MeanScore mean_score_;  // of -sigma s = eps_hat
};

}  // namespace halcyon
