#pragma once

#include <torch/types.h>

#include <vector>

#include "core/denoiser.h"
#include "fisher/effective_count.h"
#include "fisher/score_moments.h"

namespace halcyon {

/// Measures a denoiser at one noise level: construct, add batches, read the estimates.
class FisherLevel {
 public:
  /// `probes`, `controls` and `mean_image` as ScoreMoments has them.
  FisherLevel(double sigma, int64_t dim, int64_t probes,
              ControlVariates controls = ControlVariates::regression,
              torch::Tensor mean_image = {});

  /// Denoises x0 + sigma noise, both [B, ...], and adds what is seen.  1 NFE and `probes`
  /// vector-Jacobian products a sample; only these draw from `rng`.
  void add(Denoiser& denoiser, const torch::Tensor& x0, const torch::Tensor& noise,
           at::Generator& rng);

  FisherEstimates estimates() const;

  TensorMap state() const;
  /// @throws CheckpointError unless `state` is of this dimension.
  void load(const TensorMap& state);

 private:
  double sigma_;
  int64_t probes_;
  ScoreMoments moments_;
  EffectiveCount observed_;  // of tr grad D
};

/// `count` noise levels from sigma_min to sigma_max, evenly spaced in ln sigma, increasing.
/// @throws ConfigError unless count >= 2 and 0 < sigma_min < sigma_max.
std::vector<double> log_spaced_levels(double sigma_min, double sigma_max, int64_t count);

}  // namespace halcyon
