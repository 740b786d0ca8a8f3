#pragma once

#include <string>
#include <vector>

#include "cli/fisher_job.h"
#include "core/denoising_loss.h"
#include "curvature/parameter_space.h"
#include "fisher/regression_bands.h"

namespace halcyon {

/// The network of a job as a regression: its parameters, and batches in bands of noise levels.
class FisherNetwork {
 public:
  /// @throws ConfigError if the model has no network, or is calibrated.
  explicit FisherNetwork(const FisherJob& job);

  Denoiser& denoiser() const { return *job_.model.denoiser; }
  const ParameterSpace& space() const { return space_; }
  const RegressionBands& bands() const { return bands_; }

  /// Batch `index` of the purpose `name` in band k.
  RegressionBatch batch(const std::string& name, int64_t k, int64_t index, int64_t count) const;
  at::Generator generator(const std::string& name, int64_t k) const;

 private:
  const FisherJob& job_;
  ParameterSpace space_;
  DenoisingScoreMatching objective_;
  RegressionBands bands_;
};

}  // namespace halcyon
