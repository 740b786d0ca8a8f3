#pragma once

#include <torch/types.h>

#include <vector>

#include "fisher/score_moments.h"

namespace halcyon {

/// The free estimates on training batches, whose noise levels are drawn: samples are sorted into
/// bins of ln sigma.
class SigmaBins {
 public:
  /// `count` bins of equal width in ln sigma on [sigma_min, sigma_max]; levels outside go to the
  /// first or last.  `mean_image` as ScoreMoments has it.
  SigmaBins(double sigma_min, double sigma_max, int64_t count, int64_t dim,
            torch::Tensor mean_image = {});

  void add(const DenoisedBatch& batch);

  /// Of the bins with at least `fewest` samples, in order of sigma.
  std::vector<FisherEstimates> estimates(int64_t fewest = 64) const;

  /// Forgets all samples.
  void clear();

  TensorMap state() const;
  /// @throws CheckpointError unless `state` is of as many bins of this dimension.
  void load(const TensorMap& state);

 private:
  std::vector<ScoreMoments> empty_bins() const;

  double log_sigma_min_;
  double log_width_;
  int64_t count_;
  int64_t dim_;
  torch::Tensor mean_image_;
  std::vector<ScoreMoments> bins_;
};

}  // namespace halcyon
