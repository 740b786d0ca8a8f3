#pragma once

#include <torch/types.h>

#include <vector>

#include "core/tensor_map.h"

namespace halcyon {

/// How the norms of the score are distributed, by bands of the noise level.  The norm of a sample
/// is |s| sigma / sqrt(d) = |x - D(x; sigma)| / (sigma sqrt(d)), in units of that of pure noise:
/// near 1 where the noise drowns the data, and its mean square is the Fisher fraction of the
/// second moment.
class ScoreNorms {
 public:
  static constexpr int64_t kBuckets = 100;  ///< and one for all norms above
  static constexpr double kBucketWidth = 0.02;

  /// `bands` of equal width in ln sigma on [sigma_min, sigma_max]; levels outside go to the first
  /// or last.
  ScoreNorms(double sigma_min, double sigma_max, int64_t bands);

  /// x0, noise and denoised: [B, ...]; sigma: [B].
  void add(const torch::Tensor& x0, const torch::Tensor& noise, const torch::Tensor& sigma,
           const torch::Tensor& denoised);

  struct Band {
    double sigma_low = 0;
    double sigma_high = 0;
    double count = 0;
    double min = 0;
    double max = 0;
    double sum = 0;
    double sum_squares = 0;
    std::vector<double> counts = {};  ///< [kBuckets + 1], the i-th of norms up to (i + 1) widths
  };
  /// Bands that have samples, by rising sigma.
  std::vector<Band> bands() const;

  /// Forgets all samples.
  void clear();

  TensorMap state() const;
  /// @throws CheckpointError unless `state` is of as many bands.
  void load(const TensorMap& state);

 private:
  double log_sigma_min_;
  double log_width_;
  int64_t count_;
  torch::Tensor counts_;   // [bands, kBuckets + 1] float64
  torch::Tensor moments_;  // [bands, 4] float64: min, max, sum, sum of squares
};

}  // namespace halcyon
